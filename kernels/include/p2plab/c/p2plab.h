// SPDX-License-Identifier: Apache-2.0
/* libp2plab: collectives among GPUs of one server or several, for programs in any language. C11; no function throws, all may be called from any
   thread. */
#ifndef P2PLAB_C_P2PLAB_H
#define P2PLAB_C_P2PLAB_H

/* This is C. NOLINTBEGIN(modernize-use-using,modernize-deprecated-headers,readability-identifier-naming) */

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Version of this interface. A library serves all programs that were built for its own version or an earlier one. */
#define P2PLAB_ABI 3

typedef enum p2plab_result {
  P2PLAB_OK = 0,
  P2PLAB_INVALID = 1,     /* an argument, a file, a setting */
  P2PLAB_UNSUPPORTED = 2, /* not on this machine, or not in this combination */
  P2PLAB_NO_DEVICE = 3,   /* no GPU that can be used, or built without CUDA */
  P2PLAB_FAILED = 4,      /* a GPU, a rank or the system failed */
  /* Of serve_ready_only, alike on all ranks; nothing was put on the stream. */
  P2PLAB_NOT_SERVED = 5,  /* no program is ready for this call */
  P2PLAB_LEFT_TO_NCCL = 6 /* NCCL is faster, as measured, or was asked for as the backend */
} p2plab_result;

/* Numbers are NCCL's where NCCL has the type. */
typedef enum p2plab_type {
  P2PLAB_INT8 = 0,
  P2PLAB_UINT8 = 1,
  P2PLAB_INT32 = 2,
  P2PLAB_UINT32 = 3,
  P2PLAB_INT64 = 4,
  P2PLAB_UINT64 = 5,
  P2PLAB_FLOAT16 = 6,
  P2PLAB_FLOAT32 = 7,
  P2PLAB_FLOAT64 = 8,
  P2PLAB_BFLOAT16 = 9,
  P2PLAB_INT16 = 100,
  P2PLAB_UINT16 = 101
} p2plab_type;

typedef enum p2plab_op { P2PLAB_SUM = 0, P2PLAB_PRODUCT = 1, P2PLAB_MAX = 2, P2PLAB_MIN = 3, P2PLAB_AVERAGE = 4 } p2plab_op;

typedef enum p2plab_kind {
  P2PLAB_ALL_REDUCE = 0,
  P2PLAB_REDUCE_SCATTER = 1,
  P2PLAB_ALL_GATHER = 2,
  P2PLAB_BROADCAST = 3,
  P2PLAB_REDUCE = 4,
  P2PLAB_GATHER = 5,
  P2PLAB_SCATTER = 6,
  P2PLAB_ALL_TO_ALL = 7,
  P2PLAB_SEND_RECEIVE = 8
} p2plab_kind;

/* One rank of a communicator. Of several calls on one of them, all ranks make the same ones in the same order. */
typedef struct p2plab_comm p2plab_comm;
/* A cudaStream_t. */
typedef void* p2plab_stream;

/* Where ranks meet: made by one process, given to the others as bytes. */
#define P2PLAB_UNIQUE_ID_BYTES 128
typedef struct p2plab_unique_id {
  char bytes[P2PLAB_UNIQUE_ID_BYTES];
} p2plab_unique_id;

/* Gives every rank's `size` bytes to every rank, in `all`, by rank; 0 is success. As MPI_Allgather does, or a store with a barrier. */
typedef int (*p2plab_exchange)(const void* mine, void* all, size_t size, void* user);
/* Told of fallbacks and of what else a person should know; else they go to stderr. */
typedef void (*p2plab_say)(const char* text, void* user);

/* Start with P2PLAB_CONFIG, then set what differs. All ranks set the same, but for `say`. */
typedef struct p2plab_config {
  size_t size;            /* of this struct, as its program knows it */
  const char* backend;    /* auto, p2p (peer memory), host (host memory), nccl; NULL: what P2PLAB_BACKEND says, else auto */
  const char* tuned;      /* paths of files that `p2plab tune` made, separated by ':'; NULL: what P2PLAB_TUNED says, else the built-in tuning */
  const char* prepare;    /* what is made ready at the beginning, as in "all_reduce:bfloat16:sum:1KiB-1MiB,all_gather:64KiB"; sizes are of one
                             rank's part; those of a range double. Serves shorter calls, too. NULL: what P2PLAB_PREPARE says, else all-reduces of
                             float16, bfloat16 and float32 from 1 KiB to 1 MiB; "": nothing */
  double join_seconds;    /* how long to wait for all ranks to come; 0: 60 */
  double timeout_seconds; /* how long a rank may keep the others waiting when they set up together, at the beginning or in the background; 0: 60 */
  int concurrent;         /* communicators that may work on one GPU at the same time; each takes so small a part of its thread blocks; 0: 1 */
  int serve_ready_only; /* not 0: a call without a program is answered with P2PLAB_NOT_SERVED, on all ranks alike, while its program is made; one that
                           is NCCL's with P2PLAB_LEFT_TO_NCCL */
  int load_nccl;        /* 0: NCCL is not loaded; else it serves calls until their programs are ready, and those at which it is faster. Where all
                           ranks are in one process, only if `backend` says so, and then each rank needs a thread of its own */
  int start_later;      /* not 0: nothing is made ready before p2plab_comm_start */
  p2plab_say say;
  void* say_user;
  double deadline_seconds; /* how long a kernel waits for another rank before it gives up, and with it the communicator: 0.1 to 86400. 0: what
                              P2PLAB_DEADLINE says, else 2 */
  const char* order; /* "fixed": every element of every sum adds the ranks in their order, whatever the size, the alignment, the rank and the call, so
                        equal inputs give equal bits (but for the sign of zero); NCCL, whose order hangs on the size, serves nothing, and tuned tables
                        must promise it (`p2plab tune --order fixed`). "any": the fastest. NULL: what P2PLAB_ORDER says, else any. Since
                        interface 2 */
  int most_blocks;   /* of a call's kernels, so that at most so many multiprocessors work for it and the others are free for kernels beside it; of
                        NCCL's calls NCCL_MAX_CTAS says it. 0: as many as are fast. Since interface 3 */
  const struct p2plab_nccl* nccl; /* p2plab/c/beside_nccl.h: carries data between servers where load_nccl is 0. Since interface 3 */
} p2plab_config;
#define P2PLAB_CONFIG \
  { sizeof(p2plab_config), NULL, NULL, NULL, 0, 0, 0, 0, 1, 0, NULL, NULL, 0, NULL, 0, NULL }

/* The interface that the library has, and its version: "0.1.0". */
int p2plab_abi(void);
const char* p2plab_version(void);
/* "P2PLAB_NO_DEVICE". */
const char* p2plab_result_name(p2plab_result result);
/* What went wrong in this thread's last call that failed; empty before that. Valid until the thread's next call. */
const char* p2plab_last_error(void);
/* What holds in this process for a variable such as P2PLAB_DEADLINE: the environment's value, else that of the settings file (`p2plab config show`);
   NULL: neither says it, or the file has mistakes, which p2plab_last_error then tells. Since interface 3 */
const char* p2plab_setting(const char* variable);
/* GPUs that this process can use; P2PLAB_NO_DEVICE and the reason where there are none. */
p2plab_result p2plab_device_count(int* count);

/* Ranks on several servers (several machines, or values of NCCL_HOSTID): inside a server our kernels, between servers NCCL's sends and receives, all
   on the caller's stream, so that graphs may capture them. NCCL must be there (load_nccl). Backend auto leaves to NCCL what is not known to be faster
   by stages: all but all-reduces of up to 256 KiB of two ranks, unless a table says otherwise; p2p and host leave it nothing. Epilogues run as
   kernels of their own.
 */

/* ---- beginning and end ------------------------------------------------------------------------------------------------------------------ */

p2plab_result p2plab_get_unique_id(p2plab_unique_id* id);
/* An id that follows from a text: the same for all who give the same. */
p2plab_result p2plab_named_unique_id(const char* text, p2plab_unique_id* id);
/* An id for ranks that meet at a TCP address of rank 0's: "127.0.0.1:29500". NULL: what P2PLAB_ADDRESS says, else MASTER_ADDR and MASTER_PORT (under
   torchrun, whose store listens there, the port after it). Nobody else may listen there, and one communicator at a time is set up there. Ranks may be
   on several servers; those of one need neither a network namespace nor a file system in common, but must see each other's /proc. Whoever connects
   must first show what follows from P2PLAB_SECRET (16 characters at least, the same on all ranks); nothing else is read before. Without it, whoever
   reaches the address can take a rank's place. Nothing is encrypted. */
p2plab_result p2plab_address_unique_id(const char* address, p2plab_unique_id* id);

/* This process becomes rank `rank` of `ranks`, on its GPU `device` (each process's own numbering). Returns when all have come. `config` may be NULL.
 */
p2plab_result p2plab_comm_init_rank(p2plab_comm** comm, int ranks, p2plab_unique_id id, int rank, int device, const p2plab_config* config);
/* The same where the caller can exchange bytes, also between machines: no id and no address are needed. `exchange` is called once, before this
   returns. Ranks of one machine meet at a Unix socket, others at a TCP port of rank 0's, on the network that P2PLAB_INTERFACE names there (an
   interface or an address; else the first that is no bridge of containers), and show each other 128 random bits that the exchange carried. */
p2plab_result p2plab_comm_init_exchange(p2plab_comm** comm, int ranks, int rank, int device, p2plab_exchange exchange, void* user,
                                        const p2plab_config* config);
/* All ranks in this process: comms[r] is rank r, on GPU devices[r]. */
p2plab_result p2plab_comm_init_all(p2plab_comm** comms, int ranks, const int* devices, const p2plab_config* config);

int p2plab_comm_rank(const p2plab_comm* comm);
int p2plab_comm_ranks(const p2plab_comm* comm);
int p2plab_comm_device(const p2plab_comm* comm);

/* Waits for the rank's calls; all ranks call it. Then only p2plab_comm_destroy is left. */
p2plab_result p2plab_comm_finalize(p2plab_comm* comm);
/* Ends waiting kernels and calls, here and on the other ranks, which hear `why`. */
p2plab_result p2plab_comm_abort(p2plab_comm* comm, const char* why);
/* Finalizes, unless that was done or the communicator was aborted, and frees it. Destroy graphs that hold its calls first: where NCCL serves those,
   as it does over servers, they are waited for as long as ranks wait for each other; P2PLAB_INVALID says that some are still there, and all is as it
   was. */
p2plab_result p2plab_comm_destroy(p2plab_comm* comm);
/* P2PLAB_OK, or what failed since: a rank that is gone, a kernel that gave up waiting. Never waits. */
p2plab_result p2plab_comm_async_error(const p2plab_comm* comm);

/* ---- losses -----------------------------------------------------------------------------------------------------------------------------
   While there is a communicator, NVML is asked every 0.5 s (P2PLAB_WATCH, 0: never) whether its GPUs and their NVLinks still work. Where a GPU, or
   the last NVLink of two ranks, is lost, all calls end, and p2plab_comm_async_error says the same on all ranks; a lost link beside others is only
   said and recorded. Since interface 3. */

/* What was lost, and what would serve those that are left, proved; "": nothing. Cut to `size` with its zero byte. */
p2plab_result p2plab_comm_loss(const p2plab_comm* comm, char* text, size_t size);
/* Goes on in `comm`'s stead, on the same GPUs, without the ranks whose GPUs are lost and the `count` ranks in `without`: all that are left call it,
   with the same. They keep their order and have new numbers (p2plab_comm_rank). What two ranks without NVLink have for each other goes through host
   memory. `comm` is of no use afterwards and is still to be destroyed. `config` as at the beginning, but without tuned tables, which are of the whole
   machine. Ranks that met at a TCP address meet there again: P2PLAB_UNSUPPORTED where rank 0, which listened there, is not among those left. Of
   p2plab_comm_init_all's communicators the first that is repaired makes the new ones for all, by its config; each of them is repaired once. */
p2plab_result p2plab_comm_repair(p2plab_comm** repaired, p2plab_comm* comm, const int* without, int count, const p2plab_config* config);

/* ---- collectives ------------------------------------------------------------------------------------------------------------------------
   Put on `stream` of the rank's GPU; they return before it is done and may be captured in CUDA graphs. Any count, any alignment of the type, in
   place as in NCCL. `count`: elements of one rank's part. The first call of its kind may wait for its program, unless NCCL serves it meanwhile or
   `prepare` made it ready; a call that is captured must have been made ready. A stream must live until the communicator's next call on another one.

   Programmatic launch: calls are launched with programmaticStreamSerialization, and let the next kernel of the stream begin as soon as they have
   begun themselves. They read and write nothing, buffers and their own memory alike, before the kernel in front of them has ended and its stores are
   seen. A kernel of anybody's that is launched behind them
   - in the ordinary way, or behind an event, begins when all results are there;
   - programmatically, may begin before the call has written anything. Before cudaGridDependencySynchronize() (griddepcontrol.wait) it may read what
     nothing in front of it on the stream writes: its parameters, weights. Behind it, in each thread that has called it, all results are there, and
     those of all that is in front of the call; only then may it read them, and write to what the call reads (`send`, residual) or writes. A value
   that it polls in the results does not stand for the others: they come in any order. Where it lets its own successor begin early, that one counts on
   it to have waited. */

p2plab_result p2plab_all_reduce(const void* send, void* receive, size_t count, p2plab_type type, p2plab_op op, p2plab_comm* comm,
                                p2plab_stream stream);
p2plab_result p2plab_reduce(const void* send, void* receive, size_t count, p2plab_type type, p2plab_op op, int root, p2plab_comm* comm,
                            p2plab_stream stream);
p2plab_result p2plab_reduce_scatter(const void* send, void* receive, size_t receive_count, p2plab_type type, p2plab_op op, p2plab_comm* comm,
                                    p2plab_stream stream);
p2plab_result p2plab_all_gather(const void* send, void* receive, size_t send_count, p2plab_type type, p2plab_comm* comm, p2plab_stream stream);
p2plab_result p2plab_broadcast(const void* send, void* receive, size_t count, p2plab_type type, int root, p2plab_comm* comm, p2plab_stream stream);
p2plab_result p2plab_gather(const void* send, void* receive, size_t send_count, p2plab_type type, int root, p2plab_comm* comm, p2plab_stream stream);
p2plab_result p2plab_scatter(const void* send, void* receive, size_t receive_count, p2plab_type type, int root, p2plab_comm* comm,
                             p2plab_stream stream);
p2plab_result p2plab_all_to_all(const void* send, void* receive, size_t count, p2plab_type type, p2plab_comm* comm, p2plab_stream stream);
/* Data from rank `from` to rank `to`. All ranks of the communicator call it, in the common order; those that are neither give no buffers. */
p2plab_result p2plab_send_receive(const void* send, void* receive, size_t count, p2plab_type type, int from, int to, p2plab_comm* comm,
                                  p2plab_stream stream);

/* What follows an all-reduce in the same call: rows of `hidden` elements, of float16, bfloat16 or float32 (p2plab/program/epilogue.h says exactly
   what is computed). Tensors lie in the GPU's memory, row after row, from multiples of 16 bytes on; NULL: there is none, or it is not wanted. `sum`
   may be `residual`; beside that nothing may overlap. */
typedef enum p2plab_norm { P2PLAB_NORM_NONE = 0, P2PLAB_NORM_RMS = 1, P2PLAB_NORM_LAYER = 2 } p2plab_norm;
typedef enum p2plab_float8 { P2PLAB_FLOAT8_NONE = 0, P2PLAB_FLOAT8_TENSOR = 1, P2PLAB_FLOAT8_TOKEN = 2, P2PLAB_FLOAT8_GROUP = 3 } p2plab_float8;
/* Who works on which rows. all: each rank on all of them. owned: each rank on rows of its own, a part as large as that of every other rank, of which
   all get the normed rows, float8 and scales, but only it the sum; it reads no other rows of the residual. So float8 is what travels, not the sums.
   The last rows, of which there are not enough for all ranks, are everybody's. */
typedef enum p2plab_rows { P2PLAB_ROWS_ALL = 0, P2PLAB_ROWS_OWNED = 1 } p2plab_rows;
/* Start with P2PLAB_EPILOGUE, then set what differs. All ranks give the same but for the addresses. */
typedef struct p2plab_epilogue {
  size_t size;   /* of this struct, as its program knows it */
  size_t hidden; /* elements of a row */
  p2plab_norm norm;
  p2plab_float8 float8; /* e4m3, with a scale that is given (tensor), or made for each row (token) or each 128 neighbours in a row (group) */
  double epsilon;
  const void* residual; /* is added to the sum */
  const void* weight;   /* `hidden` elements */
  const void* bias;     /* the same */
  void* sum;            /* out: sum + residual */
  void* normed;         /* out */
  void* quantised;      /* out: a byte an element */
  float* scales;        /* tensor: in; token, group: out */
  p2plab_rows rows_of;  /* since interface 3 */
} p2plab_epilogue;
#define P2PLAB_EPILOGUE \
  { sizeof(p2plab_epilogue), 0, P2PLAB_NORM_RMS, P2PLAB_FLOAT8_NONE, 1e-6, NULL, NULL, NULL, NULL, NULL, NULL, NULL, P2PLAB_ROWS_ALL }

/* The all-reduce, then the epilogue, in one kernel where the program runs by packets. `count` is a whole number of rows; `send` is not changed. Where
   no program is ready the call waits for it; one that is captured must have been prepared. Since interface 2. */
p2plab_result p2plab_all_reduce_fused(const void* send, size_t count, p2plab_type type, p2plab_op op, const p2plab_epilogue* epilogue,
                                      p2plab_comm* comm, p2plab_stream stream);
/* Makes its program, as p2plab_prepare does; of the tensors only matters which are NULL. */
p2plab_result p2plab_prepare_fused(p2plab_comm* comm, size_t count, p2plab_type type, p2plab_op op, const p2plab_epilogue* epilogue);

/* An all-reduce chunk by chunk, so that kernels of the caller's on other streams work on chunks that are done while others are on their way, or make
   those that come. Each chunk but perhaps the last ones has p2plab_chunk_elements. Words lie in the GPU's memory, one a chunk; the caller zeroes them
   before the call, in a graph, too. p2plab/c/signals.cuh has what kernels need to wait for them and to raise them. A kernel that waits must leave
   room for those that it waits for (most_blocks in the config), give up some time, and be loaded before (CUDA loads a kernel when it is first
   launched, and may then wait for those that run). One thread that calls for several ranks takes 100 chunks at most: a chunk is several launches, and
   CUDA makes a thread wait that is 1024 ahead on a stream. Such calls are not recorded. Start with P2PLAB_CHUNKS. */
typedef struct p2plab_chunks {
  size_t size;           /* of this struct, as its program knows it */
  size_t count;          /* of chunks, 1 to 4096 */
  uint32_t* done;        /* out: shows done_value once all results of the chunk are there; NULL: nobody waits */
  uint32_t done_value;   /* not 0 */
  const uint32_t* given; /* in: the chunk's elements of `send` are not read before it shows given_value or more, as when so many blocks have counted
                            it up; NULL: all is there. A chunk that is not given within deadline_seconds is an error of the communicator */
  uint32_t given_value;
} p2plab_chunks;
#define P2PLAB_CHUNKS \
  { sizeof(p2plab_chunks), 1, NULL, 1, NULL, 1 }

/* With an epilogue or, `epilogue` being NULL, to `receive`. Since interface 3. */
p2plab_result p2plab_all_reduce_in_chunks(const void* send, void* receive, size_t count, p2plab_type type, p2plab_op op,
                                          const p2plab_epilogue* epilogue, const p2plab_chunks* chunks, p2plab_comm* comm, p2plab_stream stream);
/* Elements of a chunk: whole rows where there is an epilogue, else a multiple of 16. Its programs are made by p2plab_prepare or p2plab_prepare_fused
   for so many elements, and for those that are left for the last one. Since interface 3. */
p2plab_result p2plab_chunk_elements(size_t count, p2plab_type type, const p2plab_epilogue* epilogue, size_t chunks, size_t* elements);

/* One call, for the functions below. `root` is the root, or who sends; `peer`, who receives. */
typedef struct p2plab_call {
  p2plab_kind kind;
  size_t count;
  p2plab_type type;
  p2plab_op op;
  int root;
  int peer;
} p2plab_call;

/* For those who let another library serve at first (start_later, serve_ready_only): the rank has made these calls so far. They count, and what they
   need is made like what comes later; what `prepare` names comes first. Never waits. */
p2plab_result p2plab_comm_start(p2plab_comm* comm, const p2plab_call* earlier, size_t calls);
/* Waits until what `prepare` names is made. Other threads may call meanwhile, and ranks need not be at the same call. */
p2plab_result p2plab_comm_ready(p2plab_comm* comm);

/* Makes a program for exactly this call and waits for it; all ranks do so at the same place in their order of calls. In one process with all ranks,
   once for all. */
p2plab_result p2plab_prepare(p2plab_comm* comm, const p2plab_call* call);
/* Which backend serves a call now, in which form, and why: a sentence, cut to `size` with its zero byte. */
p2plab_result p2plab_explain(const p2plab_comm* comm, const p2plab_call* call, char* text, size_t size);

#ifdef __cplusplus
}
#endif

/* NOLINTEND(modernize-use-using,modernize-deprecated-headers,readability-identifier-naming) */
#endif
