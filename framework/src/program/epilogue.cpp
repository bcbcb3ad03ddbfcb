// SPDX-License-Identifier: Apache-2.0
#include "p2plab/program/epilogue.h"

#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/format.h>

#include "p2plab/detail/named.h"
#include "p2plab/program/packet_program.h"

namespace p2plab {

namespace {

constexpr std::array norms{Named{"none", Norm::off}, Named{"rms", Norm::rms}, Named{"layer", Norm::layer}};
constexpr std::array float8s{Named{"none", Float8::off}, Named{"tensor", Float8::tensor}, Named{"token", Float8::token},
                             Named{"group", Float8::group}};

Error bad_epilogue(std::string message) { return Error{ErrorCode::invalid_input, "epilogue: " + std::move(message)}; }

bool is_floating(DataType type) { return type == DataType::float16 || type == DataType::bfloat16 || type == DataType::float32; }

}  // namespace

std::string_view to_string(Norm norm) { return to_name(norm, std::span<const Named<Norm>>{norms}); }
std::string_view to_string(Float8 float8) { return to_name(float8, std::span<const Named<Float8>>{float8s}); }
Result<Norm> norm_kind(std::string_view name) { return from_name("norm", name, std::span<const Named<Norm>>{norms}); }
Result<Float8> float8_kind(std::string_view name) { return from_name("float8", name, std::span<const Named<Float8>>{float8s}); }

Status check_epilogue(const Epilogue& epilogue, const Collective& collective, const Payload& payload) {
  if (collective.kind != CollectiveKind::all_reduce) {
    return bad_epilogue(fmt::format("it works on complete sums, which every rank gets of an all_reduce, not of {}", to_string(collective.kind)));
  }
  if (payload.op != ReduceOp::sum && payload.op != ReduceOp::average)
    return bad_epilogue(fmt::format("it works on sums and averages, not on {}", to_string(payload.op)));
  if (!is_floating(payload.type)) return bad_epilogue(fmt::format("it works on float16, bfloat16 and float32, not on {}", to_string(payload.type)));
  if (epilogue.hidden < 1 || epilogue.hidden > Epilogue::most_hidden)
    return bad_epilogue(fmt::format("rows have 1 to {} elements, not {}", Epilogue::most_hidden, epilogue.hidden));
  if (payload.elements % epilogue.hidden != 0)
    return bad_epilogue(fmt::format("{} elements are no whole number of rows of {}", payload.elements, epilogue.hidden));
  if (!std::isfinite(epilogue.epsilon) || epilogue.epsilon < 0) return bad_epilogue(fmt::format("epsilon is at least 0, not {}", epilogue.epsilon));
  if (epilogue.norm == Norm::off && (epilogue.weight || epilogue.bias || epilogue.gives_norm))
    return bad_epilogue("without a norm there is no weight, no bias, and no normed output");
  if (epilogue.float8 == Float8::group && epilogue.hidden % Epilogue::group != 0)
    return bad_epilogue(fmt::format("groups of {} do not divide rows of {}", Epilogue::group, epilogue.hidden));
  if (!epilogue.gives_sum && !epilogue.gives_norm && epilogue.float8 == Float8::off)
    return bad_epilogue("it gives nothing: sum, norm or float8 is needed");
  return {};
}

Result<Program> with_epilogue(Program program, const Epilogue& epilogue) {
  if (auto ok = check_epilogue(epilogue, program.collective, program.payload); !ok) return std::move(ok).error();
  program.epilogue = std::make_shared<const Epilogue>(epilogue);
  return program;
}

std::int64_t rows_of(const Epilogue& epilogue, const Payload& payload) { return epilogue.hidden > 0 ? payload.elements / epilogue.hidden : 0; }

std::uint32_t packets_of_row(const Program& program) {
  if (!program.packets || !program.epilogue || program.packets->wire == PacketWire::ll128) return 0;
  const auto data = line_of(program.packets->wire).data;
  const auto row = program.epilogue->hidden * size_of(program.payload.type);
  const auto whole = program.payload.size().count();
  const auto ends_there = [&](const PacketItem& item) {
    return std::ranges::none_of(item.destinations, [&](const PacketOperand& to) {
      return to.place == PacketPlace::memory && to.buffer == Buffer::output && (to.offset != 0 || item.bytes != whole);
    });
  };
  const bool all =
      std::ranges::all_of(program.packets->ranks, [&](const std::vector<PacketItem>& items) { return std::ranges::all_of(items, ends_there); });
  return all && row % data == 0 ? static_cast<std::uint32_t>(row / data) : 0;
}

bool ends_in_sums(const Program& program) {
  if (!program.packets || program.packets->wire != PacketWire::lamport) return false;
  const auto in_output = [](const PacketItem& item) {
    return std::ranges::any_of(item.destinations,
                               [](const PacketOperand& to) { return to.place == PacketPlace::memory && to.buffer == Buffer::output; });
  };
  return std::ranges::all_of(program.packets->ranks, [&](const std::vector<PacketItem>& items) {
    return !items.empty() && items.back().adds() && in_output(items.back()) && std::ranges::count_if(items, in_output) == 1;
  });
}

Bytes written_by(const Epilogue& epilogue, const Payload& payload) {
  auto bytes = payload.size().count() * ((epilogue.gives_sum ? 1 : 0) + (epilogue.gives_norm ? 1 : 0));
  constexpr std::int64_t scale = 4;
  if (epilogue.float8 != Float8::off) bytes += payload.elements;
  if (epilogue.float8 == Float8::token) bytes += rows_of(epilogue, payload) * scale;
  if (epilogue.float8 == Float8::group) bytes += payload.elements / Epilogue::group * scale;
  return Bytes{bytes};
}

Bytes traffic_of(const Epilogue& epilogue, const Payload& payload) {
  const auto tensors = 1 + (epilogue.residual ? 1 : 0);
  const auto vectors = (epilogue.weight ? 1 : 0) + (epilogue.bias ? 1 : 0);
  return Bytes{payload.size().count() * tensors + epilogue.hidden * size_of(payload.type) * vectors} + written_by(epilogue, payload);
}

std::string describe(const Epilogue& epilogue) {
  std::string text = epilogue.residual ? "add, " : "";
  text += epilogue.norm == Norm::off ? fmt::format("rows of {}", epilogue.hidden)
                                     : fmt::format("{}_norm of {}", to_string(epilogue.norm), epilogue.hidden);
  if (epilogue.float8 != Float8::off) text += fmt::format(", float8 by {}", to_string(epilogue.float8));
  return text;
}

}  // namespace p2plab
