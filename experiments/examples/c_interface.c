// SPDX-License-Identifier: Apache-2.0
// The C interface: an all-reduce among two ranks of one process, on two GPUs or on one.
#include <stdio.h>

#include <cuda_runtime_api.h>
#include <p2plab/c/p2plab.h>

enum { ranks = 2, count = 4096 };

static int fail(const char* what) {
  fprintf(stderr, "%s: %s\n", what, p2plab_last_error());
  return 1;
}

int main(void) {
  int gpus = 0;
  if (p2plab_device_count(&gpus) != P2PLAB_OK) return fail("GPUs");
  const int devices[ranks] = {0, gpus > 1 ? 1 : 0};
  p2plab_comm* comms[ranks];
  p2plab_config config = P2PLAB_CONFIG;
  config.prepare = "all_reduce:float32:sum:16KiB";
  if (p2plab_comm_init_all(comms, ranks, devices, &config) != P2PLAB_OK) return fail("communicator");

  static float values[count];
  float* buffers[ranks];
  cudaStream_t streams[ranks];
  for (int r = 0; r < ranks; ++r) {
    for (int i = 0; i < count; ++i) values[i] = (float)(r + 1);
    if (cudaSetDevice(devices[r]) != cudaSuccess || cudaMalloc((void**)&buffers[r], sizeof values) != cudaSuccess) return 1;
    if (cudaStreamCreate(&streams[r]) != cudaSuccess) return 1;
    if (cudaMemcpy(buffers[r], values, sizeof values, cudaMemcpyHostToDevice) != cudaSuccess) return 1;
  }
  for (int r = 0; r < ranks; ++r) {
    if (p2plab_all_reduce(buffers[r], buffers[r], count, P2PLAB_FLOAT32, P2PLAB_SUM, comms[r], streams[r]) != P2PLAB_OK) return fail("all_reduce");
  }
  char why[512];
  const p2plab_call call = {P2PLAB_ALL_REDUCE, count, P2PLAB_FLOAT32, P2PLAB_SUM, 0, 0};
  p2plab_explain(comms[0], &call, why, sizeof why);
  for (int r = 0; r < ranks; ++r) {
    if (cudaSetDevice(devices[r]) != cudaSuccess || cudaStreamSynchronize(streams[r]) != cudaSuccess) return 1;
    if (cudaMemcpy(values, buffers[r], sizeof values, cudaMemcpyDeviceToHost) != cudaSuccess) return 1;
    if (p2plab_comm_async_error(comms[r]) != P2PLAB_OK) return fail("all_reduce");
    printf("rank %d has %g, by %s\n", r, (double)values[count - 1], why);
  }
  for (int r = 0; r < ranks; ++r) p2plab_comm_destroy(comms[r]);
  return 0;
}
