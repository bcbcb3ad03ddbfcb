#include "packing.h"

#include <algorithm>

namespace p2plab {

namespace {

constexpr double tiny = 1e-9;
constexpr int most_pivots = 3000;  // far above what rings need; degenerate pivots could otherwise go round in circles

// The revised simplex method: maximise the total of the ways, each resource within its capacity. Basis column `resource` is at first the
// slack of that resource (id -1).
class Simplex {
 public:
  explicit Simplex(std::span<const double> capacities) : rows_(capacities.size()), levels_(capacities.begin(), capacities.end()) {
    inverse_.assign(rows_ * rows_, 0);
    for (std::size_t i = 0; i < rows_; ++i) inverse_[i * rows_ + i] = 1;
    ids_.assign(rows_, -1);
    prices_.assign(rows_, 0);
  }

  std::span<const double> prices() const& { return prices_; }

  // A resource whose price has turned negative: leaving some of it unused would pay.
  std::optional<std::size_t> overpriced_slack() const {
    const auto least = std::ranges::min_element(prices_);
    return least != prices_.end() && *least < -tiny ? std::optional{static_cast<std::size_t>(least - prices_.begin())} : std::nullopt;
  }

  double cost(const Way& way) const {
    double sum = 0;
    for (const auto& use : way.uses) sum += use.amount * prices_[use.resource];
    return sum;
  }

  // Brings a way (id >= 0, gain 1) or a slack (id -1, gain 0) into the basis; false if nothing bounds it.
  bool enter(const Way& way) {
    std::vector<double> direction(rows_);
    for (std::size_t i = 0; i < rows_; ++i) {
      for (const auto& use : way.uses) direction[i] += inverse_[i * rows_ + use.resource] * use.amount;
    }
    std::optional<std::size_t> leaving;
    for (std::size_t i = 0; i < rows_; ++i) {
      if (direction[i] > tiny && (!leaving || levels_[i] * direction[*leaving] < levels_[*leaving] * direction[i])) leaving = i;
    }
    if (!leaving) return false;
    pivot(*leaving, direction, (way.id >= 0 ? 1.0 : 0.0) - cost(way));
    ids_[*leaving] = way.id;
    return true;
  }

  std::vector<PackedWay> result() const {
    std::vector<PackedWay> packed;
    for (std::size_t i = 0; i < rows_; ++i) {
      if (ids_[i] >= 0 && levels_[i] > tiny) packed.push_back({ids_[i], levels_[i]});
    }
    std::ranges::stable_sort(packed, [](const PackedWay& a, const PackedWay& b) { return a.amount != b.amount ? a.amount > b.amount : a.id < b.id; });
    return packed;
  }

 private:
  void pivot(std::size_t row, const std::vector<double>& direction, double gain) {
    const double scale = 1 / direction[row];
    for (std::size_t j = 0; j < rows_; ++j) inverse_[row * rows_ + j] *= scale;
    levels_[row] *= scale;
    for (std::size_t i = 0; i < rows_; ++i) {
      if (i == row || direction[i] == 0) continue;
      for (std::size_t j = 0; j < rows_; ++j) inverse_[i * rows_ + j] -= direction[i] * inverse_[row * rows_ + j];
      levels_[i] = std::max(0.0, levels_[i] - direction[i] * levels_[row]);
    }
    for (std::size_t j = 0; j < rows_; ++j) prices_[j] += gain * inverse_[row * rows_ + j];
  }

  std::size_t rows_;
  std::vector<double> inverse_;
  std::vector<double> levels_;
  std::vector<double> prices_;
  std::vector<int> ids_;
};

}  // namespace

std::vector<PackedWay> pack(std::span<const double> capacities, const WaySource& cheapest) {
  if (capacities.empty()) return {};
  // Amounts of about 1 keep one tolerance right for all units.
  const double unit = *std::ranges::max_element(capacities);
  std::vector<double> scaled;
  for (const auto capacity : capacities) scaled.push_back(capacity / unit);
  Simplex simplex(scaled);
  for (int i = 0; i < most_pivots; ++i) {
    if (const auto slack = simplex.overpriced_slack()) {
      if (!simplex.enter({-1, {{*slack, 1.0}}})) break;
      continue;
    }
    const auto way = cheapest(simplex.prices());
    if (!way || simplex.cost(*way) > 1 - 1e-7 || !simplex.enter(*way)) break;
  }
  auto packed = simplex.result();
  for (auto& way : packed) way.amount *= unit;
  return packed;
}

}  // namespace p2plab
