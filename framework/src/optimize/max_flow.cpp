// SPDX-License-Identifier: Apache-2.0
#include "p2plab/detail/max_flow.h"

#include <algorithm>
#include <utility>

#include "p2plab/base/result.h"

namespace p2plab {

template <class Amount>
MaxFlow<Amount>::MaxFlow(int vertices) : vertices_(static_cast<std::size_t>(vertices)), level_(vertices_, -1) {}

template <class Amount>
int MaxFlow<Amount>::add_arc(int from, int to, Amount capacity) {
  expects(offsets_.empty() && from >= 0 && to >= 0 && static_cast<std::size_t>(std::max(from, to)) < vertices_);
  from_.push_back(from);
  to_.push_back(to);
  capacity_.push_back(capacity);
  return static_cast<int>(capacity_.size()) - 1;
}

template <class Amount>
void MaxFlow<Amount>::prepare() {
  const auto arcs = capacity_.size();
  offsets_.assign(vertices_ + 1, 0);
  for (std::size_t a = 0; a < arcs; ++a) {
    ++offsets_[static_cast<std::size_t>(from_[a]) + 1];
    ++offsets_[static_cast<std::size_t>(to_[a]) + 1];
  }
  for (std::size_t v = 0; v < vertices_; ++v) offsets_[v + 1] += offsets_[v];
  auto place = offsets_;
  position_.resize(2 * arcs);
  head_.resize(2 * arcs);
  twin_.resize(2 * arcs);
  residual_.resize(2 * arcs);
  for (std::size_t a = 0; a < arcs; ++a) {
    const auto forward = place[static_cast<std::size_t>(from_[a])]++;
    const auto back = place[static_cast<std::size_t>(to_[a])]++;
    position_[2 * a] = forward;
    position_[2 * a + 1] = back;
    head_[forward] = to_[a];
    head_[back] = from_[a];
    twin_[forward] = back;
    twin_[back] = forward;
  }
  next_.resize(vertices_);
  queue_.reserve(vertices_);
  all_changed_ = true;
}

// Takes back what the last run did: on a large network most runs stay near their ends.
template <class Amount>
void MaxFlow<Amount>::reset() {
  if (std::exchange(all_changed_, false)) {
    for (std::size_t a = 0; a < capacity_.size(); ++a) {
      residual_[position_[2 * a]] = capacity_[a];
      residual_[position_[2 * a + 1]] = 0;
    }
  } else {
    for (const auto& [half_arc, amount] : pushed_) {
      residual_[half_arc] += amount;
      residual_[twin_[half_arc]] -= amount;
    }
  }
  pushed_.clear();
}

template <class Amount>
Amount MaxFlow<Amount>::run(int source, int sink, Amount limit) {
  expects(source != sink);
  if (offsets_.empty()) prepare();
  reset();
  Amount total = 0;
  while (total < limit && find_levels(source, sink)) total += augment(source, sink, limit - total);
  return total;
}

// Breadth first over what is left; false if the sink is out of reach (then `level_` marks the source's side of the cut).
template <class Amount>
bool MaxFlow<Amount>::find_levels(int source, int sink) {
  for (const auto reached : queue_) level_[static_cast<std::size_t>(reached)] = -1;
  queue_.assign(1, source);
  level_[static_cast<std::size_t>(source)] = 0;
  next_[static_cast<std::size_t>(source)] = offsets_[static_cast<std::size_t>(source)];
  for (std::size_t at = 0; at < queue_.size(); ++at) {
    const auto v = static_cast<std::size_t>(queue_[at]);
    for (auto h = offsets_[v]; h < offsets_[v + 1]; ++h) {
      const auto to = static_cast<std::size_t>(head_[h]);
      if (level_[to] >= 0 || residual_[h] == 0) continue;
      level_[to] = level_[v] + 1;
      next_[to] = offsets_[to];
      queue_.push_back(head_[h]);
      if (head_[h] == sink) return true;
    }
  }
  return false;
}

// A blocking flow along rising levels, by one path that grows and shrinks.
template <class Amount>
Amount MaxFlow<Amount>::augment(int source, int sink, Amount limit) {
  path_.clear();
  Amount total = 0;
  auto v = static_cast<std::size_t>(source);
  while (true) {
    if (v == static_cast<std::size_t>(sink)) {
      std::size_t cut = 0;
      total += push(limit - total, cut);
      if (total == limit) return total;
      v = static_cast<std::size_t>(head_[twin_[path_[cut]]]);
      path_.resize(cut);
      continue;
    }
    auto& h = next_[v];
    while (h < offsets_[v + 1] && (residual_[h] == 0 || level_[static_cast<std::size_t>(head_[h])] != level_[v] + 1)) ++h;
    if (h < offsets_[v + 1]) {
      path_.push_back(h);
      v = static_cast<std::size_t>(head_[h]);
      continue;
    }
    if (path_.empty()) return total;
    v = static_cast<std::size_t>(head_[twin_[path_.back()]]);
    path_.pop_back();
    ++next_[v];
  }
}

// Sends what the path can carry, at most `amount`; `cut` is the place of its first arc that is then full.
template <class Amount>
Amount MaxFlow<Amount>::push(Amount amount, std::size_t& cut) {
  for (const auto h : path_) amount = std::min(amount, residual_[h]);
  cut = path_.size() - 1;
  for (std::size_t i = path_.size(); i-- > 0;) {
    residual_[path_[i]] -= amount;
    residual_[twin_[path_[i]]] += amount;
    if (residual_[path_[i]] == 0) cut = i;
    if (!all_changed_) pushed_.emplace_back(path_[i], amount);
  }
  all_changed_ = all_changed_ || pushed_.size() > capacity_.size();
  return amount;
}

template class MaxFlow<std::int64_t>;
template class MaxFlow<Int128>;

}  // namespace p2plab
