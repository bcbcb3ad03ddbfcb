// SPDX-License-Identifier: Apache-2.0
/* Host time of a call, beside that of launching an empty kernel: through the C interface, through the shim where it serves, and where it passes on.

     call_cost LIBP2PLAB [SHIM]        (P2PLAB_NCCL names the library that the shim stands before; two ranks on GPU 0)            77: no GPU */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "p2plab/c/p2plab.h"

#include "measuring.h"

enum { rounds = 20, calls = 200, count = 4096, skip = 77 };

static void* driver;
static uint64_t buffers[2];
static void* streams[2];

/* The median over rounds of the mean of so many calls on both ranks; nothing is held back, for the GPU keeps up. */
static double cost(int (*body)(int rank)) {
  static double samples[rounds];
  int (*synchronize)(void*) = (int (*)(void*))symbol(driver, "cuStreamSynchronize");
  for (int r = -2; r < rounds; ++r) {
    const double begun = now();
    for (int c = 0; c < calls; ++c)
      for (int rank = 0; rank < 2; ++rank) must(body(rank), "call");
    const double passed = (now() - begun) / (2 * calls);
    if (r >= 0) samples[r] = passed;
    for (int rank = 0; rank < 2; ++rank) must(synchronize(streams[rank]), "wait");
  }
  return median(samples, rounds);
}

static p2plab_comm* comms[2];
static p2plab_result (*all_reduce)(const void*, void*, size_t, p2plab_type, p2plab_op, p2plab_comm*, p2plab_stream);
static int by_p2plab(int rank) {
  return all_reduce((void*)buffers[rank], (void*)(buffers[rank] + 8 * count), count, P2PLAB_BFLOAT16, P2PLAB_SUM, comms[rank], streams[rank]);
}

static void* nccl_comms[2];
static int (*nccl_all_reduce)(const void*, void*, size_t, int, int, void*, void*);
static int by_shim(int rank) {
  return nccl_all_reduce((void*)buffers[rank], (void*)(buffers[rank] + 8 * count), count, 9, 0, nccl_comms[rank], streams[rank]);
}
/* float8 is passed on; the library behind it refuses at once. */
static int passed_on(int rank) {
  nccl_all_reduce((void*)buffers[rank], (void*)(buffers[rank] + 8 * count), count, 10, 0, nccl_comms[rank], streams[rank]);
  return 0;
}
static int (*straight)(const void*, void*, size_t, int, int, void*, void*);
static int called_straight(int rank) {
  straight((void*)buffers[rank], (void*)(buffers[rank] + 8 * count), count, 10, 0, nccl_comms[rank], streams[rank]);
  return 0;
}

static void* kernel;
static int (*launch)(void*, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, void*, void**, void**);
static int empty(int rank) { return launch(kernel, 1, 1, 1, 128, 1, 1, 0, streams[rank], NULL, NULL); }

static int set_up_gpu(void) {
  driver = dlopen("libcuda.so.1", RTLD_NOW);
  if (driver == NULL || ((int (*)(unsigned))symbol(driver, "cuInit"))(0) != 0) return 0;
  void* context = NULL;
  must(((int (*)(void**, int))symbol(driver, "cuDevicePrimaryCtxRetain"))(&context, 0), "context");
  must(((int (*)(void*))symbol(driver, "cuCtxSetCurrent"))(context), "context");
  for (int r = 0; r < 2; ++r) {
    must(((int (*)(uint64_t*, size_t))symbol(driver, "cuMemAlloc_v2"))(&buffers[r], 16 * count), "memory");
    must(((int (*)(uint64_t, unsigned char, size_t))symbol(driver, "cuMemsetD8_v2"))(buffers[r], 0, 16 * count), "memory");
    must(((int (*)(void**, unsigned))symbol(driver, "cuStreamCreate"))(&streams[r], 1), "stream");
  }
  const char* ptx = ".version 8.0\n.target sm_80\n.address_size 64\n.visible .entry empty() { ret; }\n";
  void* module = NULL;
  must(((int (*)(void**, const void*))symbol(driver, "cuModuleLoadData"))(&module, ptx), "kernel");
  must(((int (*)(void**, void*, const char*))symbol(driver, "cuModuleGetFunction"))(&kernel, module, "empty"), "kernel");
  *(void**)&launch = symbol(driver, "cuLaunchKernel");
  return 1;
}

int main(int words, char** word) {
  if (words < 2) return 2;
  if (!set_up_gpu()) {
    printf("skipped: no GPU\n");
    return skip;
  }
  void* library = dlopen(word[1], RTLD_NOW | RTLD_LOCAL);
  if (library == NULL) {
    fprintf(stderr, "%s\n", dlerror());
    return 1;
  }
  const int devices[] = {0, 0};
  p2plab_config config = P2PLAB_CONFIG;
  config.prepare = "all_reduce:bfloat16:sum:8KiB";
  config.load_nccl = 0;
  *(void**)&all_reduce = symbol(library, "p2plab_all_reduce");
  p2plab_result (*init)(p2plab_comm**, int, const int*, const p2plab_config*);
  *(void**)&init = symbol(library, "p2plab_comm_init_all");
  const char* (*why)(void);
  *(void**)&why = symbol(library, "p2plab_last_error");
  if (init(comms, 2, devices, &config) != P2PLAB_OK) {
    fprintf(stderr, "%s\n", why());
    return 1;
  }
  printf("an empty kernel %.2f us, p2plab_all_reduce of 8 KiB %.2f us (host time a call)\n", cost(empty), cost(by_p2plab));
  if (words < 3) return 0;
  void* shim = dlopen(word[2], RTLD_NOW | RTLD_LOCAL);
  if (shim == NULL) {
    fprintf(stderr, "%s\n", dlerror());
    return 1;
  }
  must(((int (*)(void**, int, const int*))symbol(shim, "ncclCommInitAll"))(nccl_comms, 2, devices), "ncclCommInitAll");
  *(void**)&nccl_all_reduce = symbol(shim, "ncclAllReduce");
  *(void**)&straight = symbol(dlopen(getenv("P2PLAB_NCCL"), RTLD_NOW), "ncclAllReduce");
  printf("through the shim, served %.3f us; straight %.3f us; passed on %.3f us; the library behind it alone %.3f us\n", cost(by_shim), cost(by_p2plab),
         cost(passed_on), cost(called_straight));
  return 0;
}
