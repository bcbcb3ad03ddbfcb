// SPDX-License-Identifier: Apache-2.0
// All-reduces chunk by chunk.
#include <fmt/format.h>

#include "capi/answer.h"

using namespace p2plab;
using namespace p2plab::capi;

namespace {

constexpr std::size_t most_chunks = 4096;

Result<runtime::Call> call_with(const p2plab_call& given, const p2plab_epilogue* epilogue, int ranks) {
  return epilogue == nullptr ? call_of(given, ranks) : call_of(given, *epilogue, ranks);
}

Result<runtime::Signals> signals_of(const p2plab_chunks& from) {
  const auto bad = [](std::string why) { return Error{ErrorCode::invalid_input, std::move(why)}; };
  if (from.size < sizeof(p2plab_chunks)) return bad(fmt::format("chunks of {} bytes; start with P2PLAB_CHUNKS", from.size));
  if (from.count < 1 || from.count > most_chunks) return bad(fmt::format("{} chunks; 1 to {} can be", from.count, most_chunks));
  if (from.done != nullptr && from.done_value == 0) return bad("a word that is zeroed before the call cannot show 0 when a chunk is done");
  const runtime::Signals signals{.chunks = static_cast<std::int64_t>(from.count),
                                 .done = reinterpret_cast<std::uint64_t>(from.done),
                                 .done_value = from.done_value,
                                 .given = reinterpret_cast<std::uint64_t>(from.given),
                                 .given_value = from.given_value};
  if (signals.done % sizeof(std::uint32_t) != 0 || signals.given % sizeof(std::uint32_t) != 0) return bad("words begin at multiples of 4 bytes");
  return signals;
}

}  // namespace

extern "C" {

p2plab_result p2plab_all_reduce_in_chunks(const void* send, void* receive, size_t count, p2plab_type type, p2plab_op op,
                                          const p2plab_epilogue* epilogue, const p2plab_chunks* chunks, p2plab_comm* comm, p2plab_stream stream) {
  return guarded([&] {
    if (comm == nullptr || chunks == nullptr) return invalid("no communicator, or no chunks");
    const auto call = call_with({P2PLAB_ALL_REDUCE, count, type, op, 0, 0}, epilogue, comm->engine->ranks());
    if (!call) return failed(call.error());
    const auto signals = signals_of(*chunks);
    if (!signals) return failed(signals.error());
    if (call->count > 0 && (send == nullptr || (epilogue == nullptr && receive == nullptr))) return invalid("a buffer is missing");
    const DeviceBuffers buffers{reinterpret_cast<std::uint64_t>(send), reinterpret_cast<std::uint64_t>(receive),
                                epilogue == nullptr ? EpilogueBuffers{} : buffers_of(*epilogue)};
    const auto size = static_cast<std::uint64_t>(size_of(call->type));
    if (buffers.input % size != 0 || buffers.output % size != 0) return invalid("a buffer does not begin at a multiple of its elements' size");
    const auto served = comm->engine->run_signalled(comm->rank, *call, buffers, stream, *signals);
    if (!served) return failed(served.error());
    return *served ? P2PLAB_OK : P2PLAB_NOT_SERVED;
  });
}

p2plab_result p2plab_chunk_elements(size_t count, p2plab_type type, const p2plab_epilogue* epilogue, size_t chunks, size_t* elements) {
  return guarded([&] {
    if (elements == nullptr) return invalid("no place for the number");
    if (chunks < 1 || chunks > most_chunks) return invalid("1 to 4096 chunks can be");
    const auto call = call_with({P2PLAB_ALL_REDUCE, count, type, P2PLAB_SUM, 0, 0}, epilogue, 2);
    if (!call) return failed(call.error());
    *elements = static_cast<size_t>(runtime::chunk_elements(*call, static_cast<std::int64_t>(chunks)));
    return P2PLAB_OK;
  });
}

}  // extern "C"
