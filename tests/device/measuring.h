// SPDX-License-Identifier: Apache-2.0
/* What C programs that measure on GPUs share: names of libraries, a clock in microseconds, the median. What fails ends the program, with its name. */
#pragma once

#include <dlfcn.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static inline void must(int code, const char* what) {
  if (code == 0) return;
  fprintf(stderr, "%s: %d\n", what, code);
  exit(1);
}
static inline void* symbol(void* library, const char* name) {
  void* found = dlsym(library, name);
  if (found == NULL) must(1, name);
  return found;
}
static inline double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}
static inline int by_size(const void* a, const void* b) { return *(const double*)a < *(const double*)b ? -1 : *(const double*)a > *(const double*)b; }
static inline double median(double* values, int count) {
  qsort(values, (size_t)count, sizeof *values, by_size);
  return values[count / 2];
}
