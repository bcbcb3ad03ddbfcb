// SPDX-License-Identifier: Apache-2.0
#include "check/memory.h"

#include <algorithm>
#include <span>
#include <tuple>

#include <fmt/format.h>

namespace p2plab::checking {

namespace {

constexpr std::int64_t grain = 16;  // bytes: what a thread moves at a time

Error bad(std::string message) { return Error{ErrorCode::invalid_input, std::move(message)}; }

std::int64_t size_of_buffer(const RankMemory& memory, Buffer buffer) {
  switch (buffer) {
    case Buffer::input: return memory.input.count();
    case Buffer::output: return memory.output.count();
    case Buffer::scratch: return memory.scratch.count();
    case Buffer::host: break;
  }
  return memory.host.count();
}

std::string fault_of(const Program& program, const Operand& operand, std::int64_t bytes, std::int64_t element) {
  const auto size = size_of_buffer(program.memory[operand.rank.index()], operand.buffer);
  if (operand.offset < 0 || operand.offset > size - bytes) {
    return fmt::format("bytes {} to {} lie outside the {} of rank {}, which has {}", operand.offset, operand.offset + bytes,
                       to_string(operand.buffer), operand.rank.value, size);
  }
  if (operand.offset % element == 0) return {};
  return fmt::format("byte {} of the {} of rank {} is inside an element", operand.offset, to_string(operand.buffer), operand.rank.value);
}

}  // namespace

// The caller's buffers are as large as the payload makes them, whatever a file says.
Status check_stated_memory(const Program& program, const BufferLayout& layout) {
  for (int r = 0; r < program.ranks(); ++r) {
    const auto& [input, output, scratch, host] = program.memory[static_cast<std::size_t>(r)];
    for (const auto& [buffer, stated, owed] :
         {std::tuple{Buffer::input, input, layout.input_size(Rank{r})}, std::tuple{Buffer::output, output, layout.output_size(Rank{r})}}) {
      if (stated == owed) continue;
      return bad(fmt::format("the {} of rank {} has {} bytes, a payload of {} elements takes {}", to_string(buffer), r, stated.count(),
                             program.payload.elements, owed.count()));
    }
    for (const auto size : {scratch, host}) {
      if (size.count() < 0 || size.count() > Payload::most_bytes)
        return bad(fmt::format("rank {} has an impossible {} bytes of memory", r, size.count()));
    }
  }
  return {};
}

bool is_inside(const Program& program, const Instruction& instruction) {
  const auto slice = program.slice_bytes(instruction);
  const auto odd = size_of(program.payload.type) - 1;  // elements have 1, 2, 4 or 8 bytes
  if (instruction.sources == 0 || instruction.destinations == 0 || (instruction.bytes & odd) != 0) return false;
  if (slice < instruction.bytes && slice % grain != 0) return false;
  const auto count = std::size_t{instruction.sources} + instruction.destinations;
  return std::ranges::all_of(std::span(program.operands).subspan(instruction.operands, count), [&](const Operand& operand) {
    const auto size = size_of_buffer(program.memory[operand.rank.index()], operand.buffer);
    return operand.offset >= 0 && operand.offset <= size - instruction.bytes && (operand.offset & odd) == 0;
  });
}

std::string memory_fault_of(const Program& program, const Instruction& instruction) {
  if (instruction.sources == 0 || instruction.destinations == 0) return "it needs at least one source and one destination";
  const std::int64_t element = size_of(program.payload.type);
  if (instruction.bytes % element != 0) return fmt::format("{} bytes are no whole number of elements", instruction.bytes);
  if (const auto slice = program.slice_bytes(instruction); slice < instruction.bytes && slice % grain != 0) {
    return fmt::format("its slices of {} bytes are no multiple of {}", slice, grain);
  }
  for (const auto operands : {program.sources(instruction), program.destinations(instruction)}) {
    for (const auto& operand : operands) {
      if (auto fault = fault_of(program, operand, instruction.bytes, element); !fault.empty()) return fault;
    }
  }
  return {};
}

}  // namespace p2plab::checking
