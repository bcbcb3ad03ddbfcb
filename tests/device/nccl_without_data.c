// SPDX-License-Identifier: Apache-2.0
/* An NCCL for tests of the shim on one GPU, where the real one refuses several ranks: communicators come and go, collectives fail. So whatever comes out
   right was served. */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct { char bytes[128]; } Id;
typedef struct { int ranks, rank; } Comm;
enum { invalid_usage = 5 };

int ncclGetVersion(int* version) { *version = 22809; return 0; }
const char* ncclGetErrorString(int code) { return code == 0 ? "no error" : "this NCCL moves no data"; }
const char* ncclGetLastError(Comm* comm) { (void)comm; return "this NCCL moves no data"; }
int ncclGetUniqueId(Id* id) {
  FILE* random = fopen("/dev/urandom", "r");
  const size_t got = fread(id, sizeof *id, 1, random);
  fclose(random);
  return got == 1 ? 0 : 2;
}
static int make(Comm** comm, int ranks, int rank) {
  *comm = malloc(sizeof **comm);
  (*comm)->ranks = ranks;
  (*comm)->rank = rank;
  return 0;
}
int ncclCommInitRank(Comm** comm, int ranks, Id id, int rank) { (void)id; return make(comm, ranks, rank); }
int ncclCommInitRankConfig(Comm** comm, int ranks, Id id, int rank, void* config) { (void)id, (void)config; return make(comm, ranks, rank); }
int ncclCommInitRankScalable(Comm** comm, int ranks, int rank, int count, Id* ids, void* config) {
  (void)count, (void)ids, (void)config;
  return make(comm, ranks, rank);
}
int ncclCommInitAll(Comm** comms, int ranks, const int* devices) {
  (void)devices;
  for (int r = 0; r < ranks; ++r) make(&comms[r], ranks, r);
  return 0;
}
int ncclCommSplit(Comm* comm, int color, int key, Comm** part, void* config) {
  (void)color, (void)key, (void)config;
  return make(part, comm->ranks, comm->rank);
}
int ncclCommCount(Comm* comm, int* count) { *count = comm->ranks; return 0; }
int ncclCommUserRank(Comm* comm, int* rank) { *rank = comm->rank; return 0; }
int ncclCommCuDevice(Comm* comm, int* device) { (void)comm; *device = 0; return 0; }
int ncclCommFinalize(Comm* comm) { (void)comm; return 0; }
int ncclCommDestroy(Comm* comm) { (void)comm; return 0; }
int ncclCommAbort(Comm* comm) { (void)comm; return 0; }
int ncclCommGetAsyncError(Comm* comm, int* error) { (void)comm; *error = 0; return 0; }
int ncclCommRegister(Comm* comm, void* memory, size_t size, void** handle) { (void)comm, (void)memory, (void)size; *handle = NULL; return 0; }
int ncclCommDeregister(Comm* comm, void* handle) { (void)comm, (void)handle; return 0; }
int ncclGroupStart(void) { return 0; }
int ncclGroupEnd(void) { return 0; }
int ncclAllReduce(void) { return invalid_usage; }
int ncclAllGather(void) { return invalid_usage; }
int ncclReduceScatter(void) { return invalid_usage; }
int ncclBroadcast(void) { return invalid_usage; }
int ncclReduce(void) { return invalid_usage; }
int ncclSend(void) { return invalid_usage; }
int ncclRecv(void) { return invalid_usage; }
