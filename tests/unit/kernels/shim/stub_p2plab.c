// SPDX-License-Identifier: Apache-2.0
/* A libp2plab that serves all-reduces of even counts, and says what it was asked. */
#include "p2plab/c/beside_nccl.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct p2plab_comm {
  unsigned long long calls;
  int rank;
  int servers; /* as STUB_SERVERS says; of several ones messages go by the program's NCCL */
  p2plab_nccl nccl;
};
static char log_text[1 << 16];
static int failing;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int leaving;
static int aborted;

static void note(const char* text) {
  pthread_mutex_lock(&mutex);
  strncat(log_text, text, sizeof log_text - strlen(log_text) - 2);
  strcat(log_text, " ");
  pthread_mutex_unlock(&mutex);
}
/* As a real one does where its ranks were set up one by one: waits for the other of two, at most 3 s. */
static int both_leave(void) {
  __sync_add_and_fetch(&leaving, 1);
  for (int tries = 0; tries < 3000; ++tries) {
    if (__sync_fetch_and_add(&leaving, 0) == 2) return 1;
    usleep(1000);
  }
  return 0;
}
const char* stub_log(void) { return log_text; }
void stub_clear(void) { log_text[0] = 0; }
void stub_fail(int on) { failing = on; }

/* The settings file of the stub: P2PLAB_STUB_FILE=P2PLAB_NAME=VALUE. */
const char* p2plab_setting(const char* variable) {
  const char* said = getenv("P2PLAB_STUB_FILE");
  const size_t length = strlen(variable);
  if (getenv(variable) != NULL) return getenv(variable);
  return said != NULL && strncmp(said, variable, length) == 0 && said[length] == '=' ? said + length + 1 : NULL;
}
p2plab_result p2plab_named_unique_id(const char* text, p2plab_unique_id* id) {
  /* What follows the id of NCCL. */
  const char* slash = strchr(text, '/');
  strncpy(id->bytes, slash == NULL ? "root" : slash, sizeof id->bytes - 1);
  return P2PLAB_OK;
}
/* On a machine without a network. */
p2plab_result p2plab_open_place(void* place) {
  (void)place;
  return P2PLAB_FAILED;
}
p2plab_result p2plab_comm_init_place(p2plab_comm** comm, int ranks, const void* place, const char* name, int rank, int device, const p2plab_config* config) {
  (void)comm, (void)ranks, (void)place, (void)name, (void)rank, (void)device, (void)config;
  return P2PLAB_FAILED;
}
int p2plab_comm_servers(const p2plab_comm* comm) { return comm == NULL ? 0 : comm->servers; }
p2plab_result p2plab_reserve(p2plab_comm* comm, const p2plab_call* call) {
  (void)comm;
  return call->count % 2 == 0 ? P2PLAB_OK : P2PLAB_NOT_SERVED;
}
p2plab_result p2plab_comm_init_rank(p2plab_comm** comm, int ranks, p2plab_unique_id id, int rank, int device, const p2plab_config* config) {
  (void)device;
  /* With one order of sums calls wait for their programs. */
  const char* order = getenv("P2PLAB_ORDER");
  if (failing || config->serve_ready_only != (order == NULL || strcmp(order, "fixed") != 0) || config->start_later != 1 || config->load_nccl != 0) return P2PLAB_FAILED;
  if (getenv("STUB_SLOW") != NULL) usleep((unsigned)atoi(getenv("STUB_SLOW")) * 1000);
  note("init");
  note(ranks == 2 ? "2" : "n");
  note(id.bytes);
  *comm = calloc(1, sizeof **comm);
  (*comm)->rank = rank;
  (*comm)->servers = getenv("STUB_SERVERS") == NULL ? 1 : atoi(getenv("STUB_SERVERS"));
  (*comm)->nccl = *config->nccl;
  return P2PLAB_OK;
}
p2plab_result p2plab_comm_init_all(p2plab_comm** comms, int ranks, const int* devices, const p2plab_config* config) {
  (void)devices, (void)config;
  for (int r = 0; r < ranks; ++r) {
    comms[r] = calloc(1, sizeof **comms);
    comms[r]->servers = 1;
  }
  note("all");
  return P2PLAB_OK;
}
p2plab_result p2plab_comm_start(p2plab_comm* comm, const p2plab_call* earlier, size_t calls) {
  (void)earlier;
  comm->calls = calls;
  note("counted");
  return P2PLAB_OK;
}
p2plab_result p2plab_comm_ready(p2plab_comm* comm) {
  (void)comm;
  note("made");
  return P2PLAB_OK;
}
p2plab_result p2plab_comm_destroy(p2plab_comm* comm) {
  note(getenv("P2PLAB_STUB_MEETS") == NULL || both_leave() ? "destroyed" : "alone");
  free(comm);
  return P2PLAB_OK;
}
p2plab_result p2plab_comm_abort(p2plab_comm* comm, const char* why) {
  (void)comm, (void)why;
  note("aborted");
  __sync_add_and_fetch(&aborted, 1);
  return P2PLAB_OK;
}
p2plab_result p2plab_comm_async_error(const p2plab_comm* comm) {
  (void)comm;
  return failing ? P2PLAB_FAILED : P2PLAB_OK;
}
const char* p2plab_last_error(void) { return "as the test wants it"; }

static p2plab_result asked(const char* what, size_t count, p2plab_comm* comm) {
  comm->calls++;
  note(what);
  if (failing) return P2PLAB_FAILED;
  if (comm->servers > 1) {
    const p2plab_nccl* nccl = &comm->nccl;
    const int sent = nccl->group_start() == 0 && nccl->send(NULL, count, 1, 1, nccl->comm, NULL) == 0;
    if (nccl->group_end() != 0 || !sent) return P2PLAB_FAILED;
  }
  /* A call that waits for others until it is aborted, and some time longer. */
  if (count == 1000) {
    for (int tries = 0; tries < 3000 && __sync_fetch_and_add(&aborted, 0) == 0; ++tries) usleep(1000);
    usleep(50000);
    note("back");
  }
  return count % 2 == 0 ? P2PLAB_OK : P2PLAB_NOT_SERVED;
}
p2plab_result p2plab_all_reduce(const void* s, void* r, size_t n, p2plab_type t, p2plab_op op, p2plab_comm* c, p2plab_stream st) {
  (void)s, (void)r, (void)t, (void)op, (void)st;
  return asked("all_reduce", n, c);
}
p2plab_result p2plab_reduce(const void* s, void* r, size_t n, p2plab_type t, p2plab_op op, int root, p2plab_comm* c, p2plab_stream st) {
  (void)s, (void)r, (void)t, (void)op, (void)root, (void)st;
  return asked("reduce", n, c);
}
p2plab_result p2plab_reduce_scatter(const void* s, void* r, size_t n, p2plab_type t, p2plab_op op, p2plab_comm* c, p2plab_stream st) {
  (void)s, (void)r, (void)t, (void)op, (void)st;
  return asked("reduce_scatter", n, c);
}
p2plab_result p2plab_all_gather(const void* s, void* r, size_t n, p2plab_type t, p2plab_comm* c, p2plab_stream st) {
  (void)s, (void)r, (void)t, (void)st;
  return asked("all_gather", n, c);
}
p2plab_result p2plab_broadcast(const void* s, void* r, size_t n, p2plab_type t, int root, p2plab_comm* c, p2plab_stream st) {
  (void)s, (void)r, (void)t, (void)root, (void)st;
  return asked("broadcast", n, c);
}
p2plab_result p2plab_gather(const void* s, void* r, size_t n, p2plab_type t, int root, p2plab_comm* c, p2plab_stream st) {
  (void)s, (void)r, (void)t, (void)root, (void)st;
  return asked("gather", n, c);
}
p2plab_result p2plab_scatter(const void* s, void* r, size_t n, p2plab_type t, int root, p2plab_comm* c, p2plab_stream st) {
  (void)s, (void)r, (void)t, (void)root, (void)st;
  return asked("scatter", n, c);
}
p2plab_result p2plab_all_to_all(const void* s, void* r, size_t n, p2plab_type t, p2plab_comm* c, p2plab_stream st) {
  (void)s, (void)r, (void)t, (void)st;
  return asked("all_to_all", n, c);
}
