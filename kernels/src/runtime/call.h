// SPDX-License-Identifier: Apache-2.0
// One collective call as all its ranks see it alike: whatever is decided from it is decided alike.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>

#include "p2plab/program/epilogue.h"
#include "p2plab/schedule/collective.h"
#include "p2plab/schedule/payload.h"

namespace p2plab::runtime {

struct Call {
  CollectiveKind kind = CollectiveKind::all_reduce;
  DataType type = DataType::uint8;
  ReduceOp op = ReduceOp::sum;
  std::int64_t count = 0;  // elements that a rank gives, or, of a reduce-scatter, gets; of an all-to-all: for each other rank
  int root = 0;
  int peer = 0;                                     // send_receive: who gets it; the root sends
  std::optional<Epilogue> epilogue = std::nullopt;  // all_reduce: what follows in the same program
  bool owners = false;                              // with an epilogue: each rank works on its own rows, then what is made of them is gathered

  auto operator<=>(const Call&) const = default;
};

/// What is only moved is moved as bytes, whatever its type: so one program serves all types.
inline Call normal(Call call) {
  if (reduces(call.kind)) return call;
  call.count *= size_of(call.type);
  call.type = DataType::uint8;
  call.op = ReduceOp::sum;
  return call;
}

/// Blocks of `count` elements in a rank's input and output; 0: the rank has none.
struct Blocks {
  int input = 0;
  int output = 0;
};
inline Blocks blocks_of(const Call& call, int rank, int ranks) {
  switch (call.kind) {
    case CollectiveKind::all_reduce: return {1, 1};
    case CollectiveKind::reduce_scatter: return {ranks, 1};
    case CollectiveKind::all_gather: return {1, ranks};
    case CollectiveKind::all_to_all: return {ranks, ranks};
    case CollectiveKind::broadcast: return {rank == call.root ? 1 : 0, 1};
    case CollectiveKind::reduce: return {1, rank == call.root ? 1 : 0};
    case CollectiveKind::gather: return {1, rank == call.root ? ranks : 0};
    case CollectiveKind::scatter: return {rank == call.root ? ranks : 0, 1};
    case CollectiveKind::send_receive: return {rank == call.root ? 1 : 0, rank == call.peer ? 1 : 0};
  }
  return {};
}

inline std::int64_t bytes_of(const Call& call) { return call.count * size_of(call.type); }

/// The contract and the payload that a planner is asked for.
inline Collective collective_of(const Call& call, int ranks) {
  auto collective = make_collective(call.kind, ranks, Rank{call.root});
  if (call.kind == CollectiveKind::send_receive) collective.pairs = {{Rank{call.root}, Rank{call.peer}}};
  return collective;
}
inline Payload payload_of(const Call& call, int ranks) {
  const bool total = sharded(call.kind) || call.kind == CollectiveKind::all_to_all;
  return {.elements = total ? call.count * ranks : call.count, .type = call.type, .op = call.op};
}

/// "all_reduce of 4096 bfloat16, sum".
std::string describe(const Call& call);

}  // namespace p2plab::runtime
