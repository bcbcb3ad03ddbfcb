// SPDX-License-Identifier: Apache-2.0
// All-reduces with an epilogue.
#include <cstddef>

#include <fmt/format.h>

#include "capi/answer.h"

using namespace p2plab;
using namespace p2plab::capi;

namespace p2plab::capi {

Result<runtime::Call> call_of(const p2plab_call& given, const p2plab_epilogue& from, int ranks) {
  auto call = call_of(given, ranks);
  if (!call) return call;
  const auto bad = [](std::string why) { return Error{ErrorCode::invalid_input, std::move(why)}; };
  constexpr auto first_size = offsetof(p2plab_epilogue, scales) + sizeof(float*);  // of interface 2
  const bool owners = from.size > first_size && from.rows_of == P2PLAB_ROWS_OWNED;
  if (from.size > first_size && from.rows_of != P2PLAB_ROWS_ALL && !owners)
    return bad(fmt::format("{} is no p2plab_rows", static_cast<int>(from.rows_of)));
  if (from.size < first_size) return bad(fmt::format("an epilogue of {} bytes; start with P2PLAB_EPILOGUE", from.size));
  if (from.norm < P2PLAB_NORM_NONE || from.norm > P2PLAB_NORM_LAYER) return bad(fmt::format("{} is no p2plab_norm", static_cast<int>(from.norm)));
  if (from.float8 < P2PLAB_FLOAT8_NONE || from.float8 > P2PLAB_FLOAT8_GROUP)
    return bad(fmt::format("{} is no p2plab_float8", static_cast<int>(from.float8)));
  if (from.hidden > static_cast<std::size_t>(Epilogue::most_hidden))
    return bad(fmt::format("rows have 1 to {} elements, not {}", Epilogue::most_hidden, from.hidden));
  const bool quantises = from.float8 != P2PLAB_FLOAT8_NONE;
  if (quantises != (from.quantised != nullptr)) return bad("float8 and its output must both be given, or neither");
  if (quantises != (from.scales != nullptr)) return bad("float8 and its scales must both be given, or neither");
  const Epilogue epilogue{.hidden = static_cast<std::int64_t>(from.hidden),
                          .norm = static_cast<Norm>(from.norm),
                          .float8 = static_cast<Float8>(from.float8),
                          .residual = from.residual != nullptr,
                          .weight = from.weight != nullptr,
                          .bias = from.bias != nullptr,
                          .gives_sum = from.sum != nullptr,
                          .gives_norm = from.normed != nullptr,
                          .epsilon = static_cast<float>(from.epsilon)};
  if (auto good = check_epilogue(epilogue, runtime::collective_of(*call, ranks), runtime::payload_of(*call, ranks)); !good)
    return std::move(good).error();
  call->epilogue = epilogue;
  call->owners = owners && ranks > 1;
  return call;
}

EpilogueBuffers buffers_of(const p2plab_epilogue& from) {
  const auto address = [](const void* pointer) { return reinterpret_cast<std::uint64_t>(pointer); };
  return {.residual = address(from.residual),
          .weight = address(from.weight),
          .bias = address(from.bias),
          .sum = address(from.sum),
          .normed = address(from.normed),
          .quantised = address(from.quantised),
          .scales = address(from.scales)};
}

}  // namespace p2plab::capi

extern "C" {

p2plab_result p2plab_all_reduce_fused(const void* send, size_t count, p2plab_type type, p2plab_op op, const p2plab_epilogue* epilogue,
                                      p2plab_comm* comm, p2plab_stream stream) {
  return guarded([&] {
    if (comm == nullptr || epilogue == nullptr) return invalid("no communicator, or no epilogue");
    const p2plab_call asked{P2PLAB_ALL_REDUCE, count, type, op, 0, 0};
    const auto call = call_of(asked, *epilogue, comm->engine->ranks());
    if (!call) return failed(call.error());
    if (call->count > 0 && send == nullptr) return invalid("a buffer is missing");
    const DeviceBuffers buffers{reinterpret_cast<std::uint64_t>(send), 0, buffers_of(*epilogue)};
    if (buffers.input % static_cast<std::uint64_t>(size_of(call->type)) != 0)
      return invalid("the buffer does not begin at a multiple of its elements' size");
    return run(*comm, {*call, asked, buffers, stream});
  });
}

p2plab_result p2plab_prepare_fused(p2plab_comm* comm, size_t count, p2plab_type type, p2plab_op op, const p2plab_epilogue* epilogue) {
  return guarded([&] {
    if (comm == nullptr || epilogue == nullptr) return invalid("no communicator, or no epilogue");
    const auto call = call_of({P2PLAB_ALL_REDUCE, count, type, op, 0, 0}, *epilogue, comm->engine->ranks());
    return call ? outcome(comm->engine->prepare(*call)) : failed(call.error());
  });
}

}  // extern "C"
