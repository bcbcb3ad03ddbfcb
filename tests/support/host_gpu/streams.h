// SPDX-License-Identifier: Apache-2.0
// Streams of GPUs that are CPU threads: what is put on one runs later and in order. A shared library of its own, so that a program, its NCCL and its
// libp2plab have the same streams, as they have those of one CUDA driver,
// whose name it has: libcuda.so.1.
#pragma once

extern "C" {

void* host_stream_create();
/// Waits for what was put on it.
void host_stream_destroy(void* stream);
void host_stream_wait(void* stream);
/// All streams of this process.
void host_streams_wait();
/// The GPU that is this process's current one, and what CUDA's driver would say of it.
void host_use_device(int device);
int cuCtxGetDevice(int* device);
/// Null is the stream that is always there. `drop` frees what `run` needs.
void host_stream_put(void* stream, void (*run)(void*), void (*drop)(void*), void* data);

/// Between these, what is put on the stream becomes a graph and does not run. A capture's number; 0: there is none.
void host_capture_begin(void* stream);
unsigned long long host_capture_of(void* stream);
void* host_capture_end(void* stream);
/// If the earlier stream is captured, so is the later one from now on, into the same graph, until that capture ends. 1 if it is so.
int host_capture_share(void* earlier, void* later);
void host_graph_launch(void* graph, void* stream);
void host_graph_destroy(void* graph);
}
