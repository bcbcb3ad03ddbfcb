// SPDX-License-Identifier: Apache-2.0
/* An NCCL that does nothing, and says what it was asked. */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct { char bytes[128]; } Id;
static int counts[16];
enum { all_reduce, broadcast, group_start, group_end, init, destroy, split, send, kinds };
static char comms[8];
static int next_comm;
static int inner;
static char order[256]; /* counts of all-reduces, and what else hangs on their order */

/* With STUB_NCCL_LATE a group is under way for some questions after its end, and nothing else is taken until then. */
static int under_way;

const char* stub_order(void) { return order; }

int stub_count(const char* name) {
  const char* names[] = {"all_reduce", "broadcast", "group_start", "group_end", "init", "destroy", "split", "send"};
  for (int i = 0; i < kinds; i++)
    if (strcmp(name, names[i]) == 0) return counts[i];
  return -1;
}
void stub_reset(void) { memset(counts, 0, sizeof counts); }

int ncclGetVersion(int* version) { *version = 22809; return 0; }
const char* ncclGetErrorString(int code) { return code == 0 ? "no error" : "an error of the stub"; }
int ncclBroadcast(const void* s, void* r, size_t n, int t, int root, void* c, void* st) {
  (void)s, (void)r, (void)n, (void)t, (void)root, (void)c, (void)st;
  counts[broadcast]++;
  return 0;
}
int ncclAllReduce(const void* s, void* r, size_t n, int t, int op, void* c, void* st) {
  (void)s, (void)r, (void)t, (void)op;
  counts[all_reduce]++;
  snprintf(order + strlen(order), sizeof order - strlen(order), "%zu ", n);
  /* As NCCL may: one of its calls made of another, by its public name. */
  if (n == 77 && !inner++) ncclBroadcast(s, r, n, t, 0, c, st);
  return 0;
}
int ncclSend(const void* s, size_t n, int t, int peer, void* c, void* st) {
  (void)s, (void)n, (void)t, (void)peer, (void)c, (void)st;
  counts[send]++;
  return under_way > 0 ? 4 : 0;
}
int ncclGroupStart(void) { counts[group_start]++; return 0; }
int ncclGroupEnd(void) {
  counts[group_end]++;
  snprintf(order + strlen(order), sizeof order - strlen(order), "end ");
  under_way = getenv("STUB_NCCL_LATE") != NULL ? 3 : 0;
  return under_way > 0 ? 7 : 0;
}
int ncclRedOpDestroy(int op, void* c) {
  (void)op, (void)c;
  snprintf(order + strlen(order), sizeof order - strlen(order), "gone ");
  return 0;
}
int ncclGroupSimulateEnd(void* info) { (void)info; return 0; }
int ncclCommInitRank(void** c, int n, Id id, int r) {
  (void)n, (void)r, (void)id;
  counts[init]++;
  *c = &comms[next_comm++ % 8];
  return 0;
}
int ncclCommInitAll(void** c, int n, const int* devices) {
  (void)devices;
  for (int i = 0; i < n; i++) c[i] = &comms[next_comm++ % 8];
  return 0;
}
int ncclCommSplit(void* c, int color, int key, void** part, void* config) {
  (void)c, (void)key, (void)config;
  counts[split]++;
  *part = color < 0 ? NULL : &comms[next_comm++ % 8];
  return 0;
}
int ncclCommCount(void* c, int* n) { (void)c; *n = 2; return 0; }
int ncclCommUserRank(void* c, int* r) { (void)c; *r = 1; return 0; }
int ncclCommDestroy(void* c) { (void)c; counts[destroy]++; return 0; }
int ncclCommAbort(void* c) { (void)c; counts[destroy]++; return 0; }
int ncclCommGetAsyncError(void* c, int* e) { (void)c; *e = under_way > 0 && under_way-- > 0 ? 7 : 0; return 0; }
