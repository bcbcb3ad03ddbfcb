// SPDX-License-Identifier: Apache-2.0
#include "host/host_memory.h"

#include <algorithm>

#include "host/parallel.h"
#include "p2plab/program/epilogue.h"

namespace p2plab {

Bytes HostMemory::needed(const Program& program) {
  Bytes sum{0};
  for (const auto& rank : program.memory) sum += rank.input + rank.output + rank.scratch + rank.host;
  if (program.epilogue) sum += Bytes{traffic_of(*program.epilogue, program.payload).count() * program.ranks()};
  return sum;
}

Bytes HostMemory::arena_size(const Program& program, Rank rank) {
  const auto& sizes = program.memory[rank.index()];
  constexpr auto unit = static_cast<std::int64_t>(alignment);
  Bytes sum{0};
  for (const auto size : {sizes.input, sizes.output, sizes.scratch, sizes.host}) sum += Bytes{(size.count() + unit - 1) / unit * unit};
  return sum;
}

HostMemory::HostMemory(const Schedule& schedule, const Program& program, std::span<const std::span<std::byte>> arenas)
    : schedule_(schedule),
      program_(program),
      layout_(schedule, program.payload),
      arenas_(arenas.begin(), arenas.end()),
      buffers_(program.memory.size()) {
  for (std::size_t r = 0; r < buffers_.size(); ++r) {
    const Rank rank{static_cast<std::int64_t>(r)};
    const auto& sizes = program.memory[r];
    auto& own = buffers_[r];
    own[static_cast<std::size_t>(Buffer::scratch)] = allocate(rank, sizes.scratch);
    own[static_cast<std::size_t>(Buffer::host)] = allocate(rank, sizes.host);
    if (program.in_place) {
      share(rank);
    } else {
      own[static_cast<std::size_t>(Buffer::input)] = allocate(rank, sizes.input);
      own[static_cast<std::size_t>(Buffer::output)] = allocate(rank, sizes.output);
    }
  }
}

std::span<std::byte> HostMemory::allocate(Rank rank, Bytes bytes) {
  const auto size = static_cast<std::size_t>(bytes.count());
  if (!arenas_.empty()) {
    auto& rest = arenas_[rank.index()];
    if (rest.empty()) return {};
    constexpr auto unit = static_cast<std::size_t>(alignment);
    const auto taken = (size + unit - 1) / unit * unit;
    expects(taken <= rest.size());
    const auto mine = rest.first(size);
    rest = rest.subspan(taken);
    return mine;
  }
  owned_.emplace_back(static_cast<std::byte*>(::operator new(size, alignment)));
  return {owned_.back().get(), size};
}

void HostMemory::share(Rank rank) {
  auto& input = buffers_[rank.index()][static_cast<std::size_t>(Buffer::input)];
  auto& output = buffers_[rank.index()][static_cast<std::size_t>(Buffer::output)];
  const auto input_size = layout_.input_size(rank).count();
  const auto output_size = layout_.output_size(rank).count();
  const bool input_is_smaller = input_size <= output_size;
  if (!layout_.shares(rank)) {
    input = allocate(rank, Bytes{input_size});
    output = allocate(rank, Bytes{output_size});
    return;
  }
  const auto shift = layout_.output_within_input(rank);
  const auto larger = allocate(rank, Bytes{std::max(input_size, output_size)});
  if (larger.empty()) return;
  input = input_is_smaller ? larger.subspan(static_cast<std::size_t>(-shift), static_cast<std::size_t>(input_size)) : larger;
  output = input_is_smaller ? larger : larger.subspan(static_cast<std::size_t>(shift), static_cast<std::size_t>(output_size));
}

void HostMemory::fill(const TestData& data, int threads) {
  parallel_for(buffers_.size(), threads, [&](std::size_t r) { fill(data, Rank{static_cast<std::int64_t>(r)}); });
}

void HostMemory::fill(const TestData& data, Rank rank) {
  for (const auto& buffer : buffers_[rank.index()]) poison(program_.payload.type, buffer);
  for (std::size_t b = 0; b < schedule_.blocks().size(); ++b) {
    const auto block = static_cast<std::int32_t>(b);
    const auto offset = layout_.input_offset(rank, block);
    if (offset < 0) continue;
    const auto common = program_.in_place ? layout_.output_offset(rank, block) : -1;
    auto* const to = common >= 0 ? at(rank, Buffer::output, common) : at(rank, Buffer::input, offset);
    data.fill(b, rank, {to, static_cast<std::size_t>(data.elements(b) * size_of(program_.payload.type))});
  }
}

DataCheck HostMemory::check(const TestData& data, int threads, std::optional<Rank> only) const {
  const auto width = size_of(program_.payload.type);
  DataCheck sum{.passed = true};
  for (std::size_t b = 0; b < schedule_.blocks().size(); ++b) {
    std::vector<Received> received;
    for (const auto rank : schedule_.blocks()[b].receivers) {
      if (only && rank != *only) continue;
      const auto offset = layout_.output_offset(rank, static_cast<std::int32_t>(b));
      received.push_back({rank, offset / width, {at(rank, Buffer::output, offset), static_cast<std::size_t>(data.elements(b) * width)}});
    }
    merge(sum, data.check(b, received, threads));
  }
  return sum;
}

}  // namespace p2plab
