#include "p2plab/test_data.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>

#include <fmt/format.h>

#include "p2plab/elements.h"
#include "p2plab/layout.h"
#include "parallel.h"
#include "test_pattern.h"

namespace p2plab {

namespace {

constexpr std::size_t tile = 1024;                     // elements of a block whose reference is computed at a time
constexpr std::int64_t piece = std::int64_t{1} << 16;  // elements that one thread takes at a time

// Compares one piece of a block; its own thread's business.
template <class E>
class Comparison {
 public:
  Comparison(const Pattern<E>& pattern, std::size_t contributors) : pattern_(pattern), contributors_(contributors) {}

  DataCheck run(std::span<const Received> received, std::int64_t first, std::int64_t last) {
    DataCheck check{.passed = true};
    for (auto at = first; at < last; at += static_cast<std::int64_t>(tile)) {
      const auto count = static_cast<std::size_t>(std::min(last - at, static_cast<std::int64_t>(tile)));
      make_reference(at, count);
      for (const auto& copy : received) compare(copy, at, count, check);
    }
    check.passed = check.wrong == 0;
    return check;
  }

 private:
  using Stored = typename E::Stored;
  using Exact = typename Pattern<E>::Exact;

  void make_reference(std::int64_t first, std::size_t count) {
    const auto value = [&](std::size_t c, std::size_t i) {
      return static_cast<Exact>(E::load(pattern_.value(c, first + static_cast<std::int64_t>(i))));
    };
    for (std::size_t i = 0; i < count; ++i) reference_[i] = value(0, i);
    for (std::size_t c = 1; c < contributors_; ++c) {
      for (std::size_t i = 0; i < count; ++i) reference_[i] = combined(pattern_.op(), reference_[i], value(c, i));
    }
    for (std::size_t i = 0; i < count; ++i) reference_[i] = pattern_.finished(reference_[i]);
  }

  void compare(const Received& copy, std::int64_t first, std::size_t count, DataCheck& check) {
    std::memcpy(found_.data(), copy.bytes.data() + static_cast<std::size_t>(first) * sizeof(Stored), count * sizeof(Stored));
    check.elements += static_cast<std::int64_t>(count);
    for (std::size_t i = 0; i < count; ++i) {
      const auto found = static_cast<Exact>(E::load(found_[i]));
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

  const Pattern<E>& pattern_;
  std::size_t contributors_;
  std::array<Exact, tile> reference_;
  std::array<Stored, tile> found_;
};

}  // namespace

TestData::TestData(const Collective& collective, std::span<const Block> blocks, const Payload& payload, std::uint64_t seed)
    : type_(payload.type), op_(payload.op), reduces_(reduces(collective.kind)), seed_(seed), elements_(block_elements(collective, blocks, payload)) {
  std::int64_t start = 0;
  for (std::size_t b = 0; b < blocks.size(); ++b) {
    contributors_.push_back(blocks[b].contributors);
    starts_.push_back(start);
    start += elements_[b];
  }
}

void TestData::fill(std::size_t block, Rank rank, std::span<std::byte> to) const {
  expects(static_cast<std::int64_t>(to.size()) == elements_[block] * size_of(type_));
  const auto& givers = contributors_[block];
  const auto which = static_cast<std::size_t>(std::ranges::find(givers, rank) - givers.begin());
  expects(which < givers.size());
  with_element(type_, [&](auto element) {
    using E = decltype(element);
    const Pattern<E> pattern(*this, block);
    for (std::int64_t i = 0; i < elements_[block]; ++i) {
      const auto value = pattern.value(which, i);
      std::memcpy(to.data() + static_cast<std::size_t>(i) * sizeof(value), &value, sizeof(value));
    }
  });
}

DataCheck TestData::check(std::size_t block, std::span<const Received> received, int threads) const {
  DataCheck sum{.passed = true};
  if (contributors_[block].empty() || received.empty()) return sum;
  const auto pieces = static_cast<std::size_t>((elements_[block] + piece - 1) / piece);
  std::vector<DataCheck> checks(pieces);
  with_element(type_, [&](auto element) {
    using E = decltype(element);
    const Pattern<E> pattern(*this, block);
    parallel_for(pieces, threads, [&](std::size_t p) {
      const auto first = static_cast<std::int64_t>(p) * piece;
      checks[p] = Comparison<E>{pattern, contributors_[block].size()}.run(received, first, std::min(first + piece, elements_[block]));
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
