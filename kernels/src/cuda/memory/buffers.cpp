// SPDX-License-Identifier: Apache-2.0
#include "cuda/memory/buffers.h"

#include <algorithm>
#include <cstdlib>

#include <fmt/format.h>

namespace p2plab::cuda {

namespace {

constexpr int poison = 0x7b;

bool can_share(CollectiveKind kind) { return kind != CollectiveKind::all_to_all && kind != CollectiveKind::send_receive; }

}  // namespace

DeviceBuffers in_one_memory(std::uint64_t base, std::int64_t output_within_input) {
  const auto offset = static_cast<std::uint64_t>(std::abs(output_within_input));
  return output_within_input >= 0 ? DeviceBuffers{base, base + offset} : DeviceBuffers{base + offset, base};
}

Result<Buffers> Buffers::create(const Schedule& schedule, const Payload& payload, const std::vector<int>& devices, const BufferOptions& options) {
  constexpr int most_ranks = 64;
  if (schedule.ranks() > most_ranks)
    return Error{.code = ErrorCode::unsupported, .message = fmt::format("{} ranks; the check of data knows at most 64", schedule.ranks())};
  if (options.in_place && !can_share(schedule.collective().kind)) {
    return Error{.code = ErrorCode::unsupported,
                 .message = fmt::format("{} gives and takes different blocks, so it cannot run in place", to_string(schedule.collective().kind))};
  }
  Buffers buffers(schedule, payload, devices);
  buffers.options_ = options;
  buffers.elements_ = block_elements(schedule.collective(), schedule.blocks(), payload);
  for (int r = 0; r < schedule.ranks(); ++r) {
    if (auto done = buffers.allocate_rank(Rank{r}); !done) return std::move(done).error();
  }
  return buffers;
}

// The most of what any rank needs, if all are to have the same.
Result<std::uint64_t> Buffers::allocate_piece(Rank rank, Bytes size) {
  if (options_.uniform) {
    for (int r = 0; r < schedule_->ranks(); ++r) size = std::max({size, layout_.input_size(Rank{r}), layout_.output_size(Rank{r})});
  }
  SharedMemory memory;
  if (options_.allocator) {
    auto made = options_.allocator(size);
    if (!made) return std::move(made).error();
    memory = *std::move(made);
  } else {
    auto made = allocate(size);
    if (!made) return std::move(made).error();
    memory = SharedMemory(made->release(), free_device);
  }
  pieces_.push_back({rank, memory, size});
  return reinterpret_cast<std::uint64_t>(memory.get());
}

Status Buffers::allocate_rank(Rank rank) {
  inputs_.push_back(0);
  outputs_.push_back(0);
  if (!has(rank)) return {};
  if (auto done = use_device(devices_[rank.index()]); !done) return done;
  const auto in = layout_.input_size(rank);
  const auto out = layout_.output_size(rank);
  const auto first = allocate_piece(rank, options_.in_place ? std::max(in, out) : in);
  if (!first) return first.error();
  if (options_.in_place) {
    const auto both = in_one_memory(*first, layout_.output_within_input(rank));
    inputs_.back() = both.input;
    outputs_.back() = both.output;
    return {};
  }
  inputs_.back() = *first;
  const auto second = allocate_piece(rank, out);
  if (!second) return second.error();
  outputs_.back() = *second;
  return {};
}

std::vector<DeviceBuffers> Buffers::addresses() const {
  std::vector<DeviceBuffers> all;
  for (std::size_t r = 0; r < inputs_.size(); ++r) all.push_back({inputs_[r], outputs_[r]});
  return all;
}

device::BlockSpan Buffers::span(Rank rank, std::size_t block, bool output) const {
  const auto number = static_cast<std::int32_t>(block);
  const auto offset = output ? layout_.output_offset(rank, number) : layout_.input_offset(rank, number);
  std::uint64_t senders = 0;
  for (const auto sender : schedule_->blocks()[block].contributors) senders |= std::uint64_t{1} << sender.value;
  return {(output ? outputs_ : inputs_)[rank.index()] + static_cast<std::uint64_t>(offset), elements_[block], senders, number, rank.value};
}

Status Buffers::generate(std::uint64_t seed) const {
  for (int r = 0; r < schedule_->ranks(); ++r) {
    const Rank rank{r};
    if (!has(rank)) continue;
    if (auto done = use_device(devices_[rank.index()]); !done) return done;
    if (auto done = set_bytes(outputs_[rank.index()], poison, layout_.output_size(rank)); !done) return done;
    for (std::size_t b = 0; b < elements_.size(); ++b) {
      if (layout_.input_offset(rank, static_cast<std::int32_t>(b)) < 0) continue;
      if (auto done = check(device::launch_generate(span(rank, b, false), payload_.type, payload_.op, seed, nullptr), "make test data"); !done)
        return done;
    }
  }
  for (std::size_t r = 0; r < devices_.size(); ++r) {
    if (!has(Rank{static_cast<std::int64_t>(r)})) continue;
    if (auto done = use_device(devices_[r]); !done) return done;
    if (auto done = synchronize(Stream{}); !done) return done;
  }
  return {};
}

Status Buffers::generate_on(Rank rank, std::uint64_t seed, const Stream& stream) const {
  for (std::size_t b = 0; b < elements_.size(); ++b) {
    if (layout_.input_offset(rank, static_cast<std::int32_t>(b)) < 0) continue;
    const auto code = device::launch_generate(span(rank, b, false), payload_.type, payload_.op, seed, stream.get());
    if (auto done = check(code, "make test data"); !done) return done;
  }
  return {};
}

Status Buffers::compare_on(Rank rank, std::uint64_t seed, std::uint64_t found, const Stream& stream) const {
  for (std::size_t b = 0; b < elements_.size(); ++b) {
    if (std::ranges::find(schedule_->blocks()[b].receivers, rank) == schedule_->blocks()[b].receivers.end()) continue;
    auto* const result = reinterpret_cast<device::CheckResult*>(found);
    const auto code = device::launch_compare(span(rank, b, true), payload_.type, payload_.op, seed, 1, result, stream.get());
    if (auto done = check(code, "compare results"); !done) return done;
  }
  return {};
}

Result<DataCheck> Buffers::compare(std::uint64_t seed) const {
  DataCheck result{.passed = true};
  for (std::size_t b = 0; b < elements_.size(); ++b) {
    const auto& block = schedule_->blocks()[b];
    const bool divides = payload_.op == ReduceOp::average && reduces(schedule_->collective().kind);
    const auto divisor = divides ? static_cast<std::int32_t>(block.contributors.size()) : 1;
    for (const auto rank : block.receivers) {
      if (!has(rank)) continue;
      if (auto done = use_device(devices_[rank.index()]); !done) return std::move(done).error();
      auto memory = allocate(Bytes{static_cast<std::int64_t>(sizeof(device::CheckResult))});
      if (!memory) return std::move(memory).error();
      device::CheckResult found;
      if (auto done = copy_to_device(memory->address(), &found, Bytes{sizeof found}); !done) return std::move(done).error();
      const auto launched = device::launch_compare(span(rank, b, true), payload_.type, payload_.op, seed, divisor,
                                                   static_cast<device::CheckResult*>(memory->get()), nullptr);
      if (auto done = check(launched, "compare results"); !done) return std::move(done).error();
      if (auto done = copy_from_device(&found, memory->address(), Bytes{sizeof found}); !done) return std::move(done).error();
      result.elements += elements_[b];
      result.wrong += static_cast<std::int64_t>(found.wrong);
      result.worst_error = std::max(result.worst_error, found.worst);
      if (found.wrong == 0 || !result.passed) continue;
      result.passed = false;
      const auto element = static_cast<std::int64_t>(found.first);
      const auto wanted =
          static_cast<double>(device::expected_total(seed, span(rank, b, true).senders, static_cast<std::int32_t>(b), element, payload_.op)) /
          divisor;
      result.first_wrong = fmt::format("rank {} block {} element {}: expected {}, off by up to {}", rank.value, b, element, wanted, found.worst);
    }
  }
  return result;
}

}  // namespace p2plab::cuda
