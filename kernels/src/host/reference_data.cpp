// SPDX-License-Identifier: Apache-2.0
#include "p2plab/detail/reference_data.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>

#include <fmt/format.h>

#include "host/parallel.h"
#include "host/test_pattern.h"
#include "p2plab/detail/elements.h"
#include "p2plab/schedule/layout.h"

namespace p2plab {

namespace {

constexpr std::int64_t piece = std::int64_t{1} << 16;  // elements that one thread takes at a time
constexpr std::size_t reference_tile = 1024;           // elements whose reference is computed at a time
constexpr std::int64_t most_kept = 64 << 20;           // bytes

// Calls work(first, last) for all pieces of `elements`.
void for_each_piece(std::int64_t elements, int threads, const std::function<void(std::size_t, std::int64_t, std::int64_t)>& work) {
  parallel_for(static_cast<std::size_t>((elements + piece - 1) / piece), threads, [&](std::size_t p) {
    const auto first = static_cast<std::int64_t>(p) * piece;
    work(p, first, std::min(first + piece, elements));
  });
}

}  // namespace

// The reference of a block, tile by tile; its own thread's business.
template <class E>
class Reference {
 public:
  using Stored = typename E::Stored;
  using Exact = typename ReferencePattern<E>::Exact;
  using Kept = TestData::Kept;

  Reference(const ReferencePattern<E>& pattern, std::size_t contributors, const Kept* kept)
      : pattern_(pattern), contributors_(contributors), kept_(kept) {}

  // Compares one piece of what was received.
  DataCheck compare(std::span<const Received> received, std::int64_t first, std::int64_t last) {
    DataCheck check{.passed = true};
    for (auto at = first; at < last; at += static_cast<std::int64_t>(reference_tile)) {
      const auto count = static_cast<std::size_t>(std::min(last - at, static_cast<std::int64_t>(reference_tile)));
      bool made = false;
      for (const auto& copy : received) {
        if (as_kept(copy, at, count)) {
          check.elements += static_cast<std::int64_t>(count);
          continue;
        }
        if (!made) make(at, count);
        made = true;
        compare(copy, at, count, check);
      }
    }
    check.passed = check.wrong == 0;
    return check;
  }

  // Writes one piece of it down.
  void keep(Kept& to, std::int64_t first, std::int64_t last) {
    for (auto at = first; at < last; at += static_cast<std::int64_t>(reference_tile)) {
      const auto count = static_cast<std::size_t>(std::min(last - at, static_cast<std::int64_t>(reference_tile)));
      make(at, count);
      bool exact = true;
      for (std::size_t i = 0; i < count; ++i) {
        stored_[i] = E::store(static_cast<typename E::Sum>(reference_[i]));
        exact = exact && static_cast<Exact>(E::load(stored_[i])) == reference_[i];
      }
      std::memcpy(to.output.data() + static_cast<std::size_t>(at) * sizeof(Stored), stored_.data(), count * sizeof(Stored));
      to.exact[static_cast<std::size_t>(at) / reference_tile] = exact ? 1 : 0;
    }
  }

 private:
  // The same bytes as an exact reference: nothing is wrong, and nothing is rounded.
  bool as_kept(const Received& copy, std::int64_t first, std::size_t count) const {
    if (kept_ == nullptr || kept_->exact[static_cast<std::size_t>(first) / reference_tile] == 0) return false;
    const auto offset = static_cast<std::size_t>(first) * sizeof(Stored);
    return std::memcmp(copy.bytes.data() + offset, kept_->output.data() + offset, count * sizeof(Stored)) == 0;
  }

  void make(std::int64_t first, std::size_t count) {
    read_input(0, first, count);
    for (std::size_t i = 0; i < count; ++i) reference_[i] = static_cast<Exact>(E::load(stored_[i]));
    for (std::size_t c = 1; c < contributors_; ++c) {
      read_input(c, first, count);
      with_operation(pattern_.op(), [&](auto op) {
        for (std::size_t i = 0; i < count; ++i) reference_[i] = combined(decltype(op)::value, reference_[i], static_cast<Exact>(E::load(stored_[i])));
      });
    }
    for (std::size_t i = 0; i < count; ++i) reference_[i] = pattern_.finished(reference_[i]);
  }

  void read_input(std::size_t contributor, std::int64_t first, std::size_t count) {
    if (kept_ == nullptr) return pattern_.write(contributor, first, std::span(stored_).first(count));
    const auto& input = kept_->inputs[contributor];
    std::memcpy(stored_.data(), input.data() + static_cast<std::size_t>(first) * sizeof(Stored), count * sizeof(Stored));
  }

  void compare(const Received& copy, std::int64_t first, std::size_t count, DataCheck& check) {
    std::memcpy(stored_.data(), copy.bytes.data() + static_cast<std::size_t>(first) * sizeof(Stored), count * sizeof(Stored));
    check.elements += static_cast<std::int64_t>(count);
    for (std::size_t i = 0; i < count; ++i) {
      const auto found = static_cast<Exact>(E::load(stored_[i]));
      if (found == reference_[i]) continue;
      const auto error = std::abs(static_cast<double>(found) - static_cast<double>(reference_[i]));
      if (!(error <= check.worst_error)) check.worst_error = std::isnan(error) ? std::numeric_limits<double>::infinity() : error;
      if (error <= pattern_.tolerance(reference_[i])) continue;
      if (check.wrong++ == 0) {
        check.first_wrong = fmt::format("rank {} output[{}]: expected {}, found {}", copy.rank.value,
                                        copy.first + first + static_cast<std::int64_t>(i), reference_[i], found);
      }
    }
  }

  const ReferencePattern<E>& pattern_;
  std::size_t contributors_;
  const Kept* kept_;
  std::array<Exact, reference_tile> reference_;
  std::array<Stored, reference_tile> stored_;
};

TestData::TestData(const Collective& collective, std::span<const Block> blocks, const Payload& payload, std::uint64_t seed)
    : type_(payload.type), op_(payload.op), reduces_(reduces(collective.kind)), seed_(seed), elements_(block_elements(collective, blocks, payload)) {
  std::int64_t start = 0;
  for (std::size_t b = 0; b < blocks.size(); ++b) {
    contributors_.push_back(blocks[b].contributors);
    starts_.push_back(start);
    start += elements_[b];
  }
}

bool TestData::is_for(const Collective& collective, std::span<const Block> blocks, const Payload& payload, std::uint64_t seed) const {
  return type_ == payload.type && op_ == payload.op && reduces_ == reduces(collective.kind) && seed_ == seed &&
         elements_ == block_elements(collective, blocks, payload) && std::ranges::equal(contributors_, blocks, {}, {}, &Block::contributors);
}

void TestData::keep(int threads) {
  std::int64_t bytes = 0;
  for (std::size_t b = 0; b < elements_.size(); ++b) {
    // Divided, as huge payloads times many contributors leave 64 bits.
    const auto copies = std::ssize(contributors_[b]) + 1;
    if (elements_[b] > (most_kept - bytes) / (copies * size_of(type_))) return;
    bytes += elements_[b] * copies * size_of(type_);
  }
  std::vector<Kept> kept(elements_.size());
  with_element(type_, [&](auto element) {
    using E = decltype(element);
    for (std::size_t b = 0; b < kept.size(); ++b) {
      if (contributors_[b].empty()) continue;
      const auto size = static_cast<std::size_t>(elements_[b] * size_of(type_));
      auto& block = kept[b];
      block.inputs.assign(contributors_[b].size(), std::vector<std::byte>(size));
      block.output.resize(size);
      block.exact.resize(static_cast<std::size_t>(elements_[b]) / reference_tile + 1);
      parallel_for(block.inputs.size(), threads, [&](std::size_t c) { fill(b, contributors_[b][c], block.inputs[c]); });
      const ReferencePattern<E> pattern(*this, b);
      for_each_piece(elements_[b], threads, [&](std::size_t, std::int64_t first, std::int64_t last) {
        Reference<E>{pattern, contributors_[b].size(), &block}.keep(block, first, last);
      });
    }
  });
  kept_ = std::move(kept);
}

void TestData::fill(std::size_t block, Rank rank, std::span<std::byte> to) const {
  expects(static_cast<std::int64_t>(to.size()) == elements_[block] * size_of(type_));
  const auto& senders = contributors_[block];
  const auto which = static_cast<std::size_t>(std::ranges::find(senders, rank) - senders.begin());
  expects(which < senders.size());
  if (!kept_.empty()) {
    if (!to.empty()) std::memcpy(to.data(), kept_[block].inputs[which].data(), to.size());
    return;
  }
  with_element(type_, [&](auto element) {
    using E = decltype(element);
    using Stored = typename E::Stored;
    const ReferencePattern<E> pattern(*this, block);
    std::array<Stored, reference_tile> values;
    for (std::int64_t at = 0; at < elements_[block]; at += static_cast<std::int64_t>(reference_tile)) {
      const auto count = static_cast<std::size_t>(std::min(elements_[block] - at, static_cast<std::int64_t>(reference_tile)));
      pattern.write(which, at, std::span(values).first(count));
      std::memcpy(to.data() + static_cast<std::size_t>(at) * sizeof(Stored), values.data(), count * sizeof(Stored));
    }
  });
}

DataCheck TestData::check(std::size_t block, std::span<const Received> received, int threads) const {
  DataCheck sum{.passed = true};
  if (contributors_[block].empty() || received.empty()) return sum;
  const auto* const kept = kept_.empty() ? nullptr : &kept_[block];
  std::vector<DataCheck> checks(static_cast<std::size_t>((elements_[block] + piece - 1) / piece));
  with_element(type_, [&](auto element) {
    using E = decltype(element);
    const ReferencePattern<E> pattern(*this, block);
    for_each_piece(elements_[block], threads, [&](std::size_t p, std::int64_t first, std::int64_t last) {
      checks[p] = Reference<E>{pattern, contributors_[block].size(), kept}.compare(received, first, last);
    });
  });
  for (const auto& check : checks) merge(sum, check);
  return sum;
}

void poison(DataType type, std::span<std::byte> bytes) {
  constexpr int nan_byte = 0xff;
  constexpr int odd_byte = 0xa5;
  const bool floating = with_element(type, [](auto element) { return decltype(element)::floating; });
  if (!bytes.empty()) std::memset(bytes.data(), floating ? nan_byte : odd_byte, bytes.size());
}

void merge(DataCheck& sum, const DataCheck& more) {
  sum.passed = sum.passed && more.passed;
  if (sum.wrong == 0) sum.first_wrong = more.first_wrong;
  sum.elements += more.elements;
  sum.wrong += more.wrong;
  sum.worst_error = std::max(sum.worst_error, more.worst_error);
}

}  // namespace p2plab
