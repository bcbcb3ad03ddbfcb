// SPDX-License-Identifier: Apache-2.0
// For kernels that work beside p2plab_all_reduce_in_chunks: words that say of chunks that they are done, or given. Device code of CUDA C++11 or
// later, of compute capability 7.0 or later. Each function is for one thread; the others of its block follow by __syncthreads().
#pragma once

/// Waits until a word shows `value` or more. Behind it the thread, and after __syncthreads() its block, sees all that was written before the word was
/// raised. False after `nanoseconds`: then it does not. 0 for a single look.
static __device__ inline bool p2plab_await(const unsigned int* word, unsigned int value, unsigned long long nanoseconds) {
  unsigned long long started = 0;
  asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(started));
  while (true) {
    unsigned int shown = 0;
    asm volatile("ld.acquire.gpu.global.u32 %0, [%1];" : "=r"(shown) : "l"(word) : "memory");
    if ((int)(shown - value) >= 0) return true;
    unsigned long long now = 0;
    asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(now));
    if (now - started >= nanoseconds) return false;
    __nanosleep(100);
  }
}

/// Counts a word up, behind all that the thread, and before __syncthreads() its block, has written.
static __device__ inline void p2plab_count(unsigned int* word) {
  asm volatile("fence.acq_rel.gpu; red.relaxed.gpu.global.add.u32 [%0], 1;" ::"l"(word) : "memory");
}
