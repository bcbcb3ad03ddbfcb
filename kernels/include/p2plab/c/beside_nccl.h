/* SPDX-License-Identifier: Apache-2.0
 *
 * What a library needs that stands before NCCL in a program that it does not know, as libp2plab-nccl.so does. Since interface 3. */
#ifndef P2PLAB_BESIDE_NCCL_H
#define P2PLAB_BESIDE_NCCL_H

/* This is C. NOLINTBEGIN(modernize-use-using,modernize-deprecated-headers,modernize-redundant-void-arg,readability-identifier-naming) */

#include "p2plab/c/p2plab.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What ncclGetUniqueId gives. */
typedef struct p2plab_nccl_id {
  char bytes[128];
} p2plab_nccl_id;

/* An NCCL that the caller has: a communicator of just these ranks, which stays the caller's, and the functions by which they send to each
   other. It carries data between servers, in the threads that call and on their streams, and serves no calls; not with order fixed. By the last
   four, which have made or ended what they are asked for when they return, further communicators of the same ranks are made (P2PLAB_CARRIERS). */
typedef struct p2plab_nccl {
  void* comm;
  int (*group_start)(void);
  int (*group_end)(void);
  int (*send)(const void* from, size_t count, int type, int peer, void* comm, p2plab_stream stream);
  int (*receive)(void* to, size_t count, int type, int peer, void* comm, p2plab_stream stream);
  const char* (*error_string)(int result);
  int (*unique_id)(p2plab_nccl_id* id);
  int (*init_rank)(void** comm, int ranks, p2plab_nccl_id id, int rank);
  int (*destroy)(void* comm);
  int (*abort)(void* comm);
} p2plab_nccl;

/* As p2plab_comm_init_exchange, for ranks that share no more than the bytes that one of their processes, or another one, gave out: it keeps a TCP
   port open for as long as it lives, at which ranks that give the same name exchange what they need, and must show the 128 random bits in those
   bytes. Where ranks are on several servers each must have a process of its own. */
#define P2PLAB_PLACE_BYTES 40
p2plab_result p2plab_open_place(void* place);
p2plab_result p2plab_comm_init_place(p2plab_comm** comm, int ranks, const void* place, const char* name, int rank, int device,
                                     const p2plab_config* config);
/* On how many servers its ranks are. */
int p2plab_comm_servers(const p2plab_comm* comm);

/* Of a communicator over several servers, with serve_ready_only: decides now whether the rank's next call, which must be this one, will be served, as
   that would decide it; if it answers P2PLAB_OK the call is to follow. For those who are within a group of NCCL's, where sends and receives wait for
   the group's end, and kernels between them do not. */
p2plab_result p2plab_reserve(p2plab_comm* comm, const p2plab_call* call);

#ifdef __cplusplus
}
#endif

/* NOLINTEND(modernize-use-using,modernize-deprecated-headers,modernize-redundant-void-arg,readability-identifier-naming) */
#endif
