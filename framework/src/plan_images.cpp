#include "plan_images.h"

#include <algorithm>
#include <numeric>
#include <optional>
#include <unordered_map>

#include <fmt/format.h>

namespace p2plab {

namespace {

constexpr std::size_t most_entries = std::size_t{1} << 24;  // of all images: what a hostile file can make us hold
constexpr std::size_t most_kept = 32;

std::uint64_t hash_of(const std::vector<Rank>& ranks) {
  std::uint64_t hash = ranks.size();
  for (const auto rank : ranks) hash = (hash ^ static_cast<std::uint32_t>(rank.value)) * 0x9E3779B97F4A7C15U + (hash >> 29);
  return hash;
}

// Finds images that are products of earlier ones. Those that are not are kept, for later ones to be products with.
class Products {
 public:
  explicit Products(const Schedule& schedule) : schedule_(schedule) {}

  /// Images are asked for in order.
  std::optional<std::pair<int, int>> product(int image) {
    const auto ranks = ranks_of(image);
    const auto found = find(image, ranks);
    known_.emplace(hash_of(ranks), image);
    if (image > 0 && !found && kept_.size() < most_kept) keep(image, ranks);
    return found;
  }

  std::vector<Rank> ranks_of(int image) const {
    std::vector<Rank> ranks;
    for (int r = 0; r < schedule_.ranks(); ++r) ranks.push_back(schedule_.in_image(image, Rank{r}));
    return ranks;
  }

 private:
  struct Kept {
    int image;
    std::vector<Rank> back;  // its inverse
  };

  void keep(int image, const std::vector<Rank>& ranks) {
    std::vector<Rank> back(ranks.size());
    for (std::size_t r = 0; r < ranks.size(); ++r) back[ranks[r].index()] = Rank{static_cast<std::int64_t>(r)};
    kept_.push_back({image, std::move(back)});
  }

  std::optional<std::pair<int, int>> find(int image, const std::vector<Rank>& ranks) const {
    std::vector<Rank> first(ranks.size());
    for (const auto& [then, back] : kept_) {
      for (std::size_t r = 0; r < ranks.size(); ++r) first[r] = back[ranks[r].index()];
      const auto [begin, end] = known_.equal_range(hash_of(first));
      for (auto candidate = begin; candidate != end; ++candidate) {
        if (is_product(image, candidate->second, then)) return std::pair{candidate->second, then};
      }
    }
    return std::nullopt;
  }

  bool is_product(int image, int first, int then) const {
    for (int r = 0; r < schedule_.ranks(); ++r) {
      if (schedule_.in_image(image, Rank{r}) != schedule_.in_image(then, schedule_.in_image(first, Rank{r}))) return false;
    }
    for (std::size_t k = 0; k < schedule_.route_count(); ++k) {
      const RouteId route{static_cast<std::int64_t>(k)};
      if (schedule_.in_image(image, route) != schedule_.in_image(then, schedule_.in_image(first, route))) return false;
    }
    return true;
  }

  const Schedule& schedule_;
  std::unordered_multimap<std::uint64_t, int> known_;  // only looked up; of several that fit any will do
  std::vector<Kept> kept_;
};

template <class Index>
std::vector<Index> followed_by(const std::vector<Index>& first, const std::vector<Index>& then) {
  std::vector<Index> both;
  both.reserve(first.size());
  for (const auto place : first) both.push_back(then[place.index()]);
  return both;
}

template <class Index>
std::vector<Index> indices(const JsonValue& value, std::size_t count) {
  std::vector<Index> result;
  for (const auto number : value.integers(0, static_cast<std::int64_t>(count) - 1)) result.emplace_back(number);
  if (result.size() == count) return result;
  value.fail(fmt::format("expected {} numbers", count));
  return std::vector<Index>(count);
}

template <class Index>
std::vector<Index> counting(std::size_t count) {
  std::vector<Index> result;
  for (std::size_t i = 0; i < count; ++i) result.emplace_back(static_cast<std::int64_t>(i));
  return result;
}

// Rows are arrays: the parser takes time in the square of the objects in one array.
ScheduleImage read_image(const JsonValue& row, const ImageSize& size, const std::vector<ScheduleImage>& earlier) {
  if (row.size() >= 1 && row.at(0).is_array()) {
    if (row.size() > 2) row.fail("expected ranks and, where there are some, routes");
    return {indices<Rank>(row.at(0), static_cast<std::size_t>(size.ranks)),
            row.size() > 1 ? indices<RouteId>(row.at(1), size.routes) : counting<RouteId>(size.routes)};
  }
  const auto parts = row.integers(0, static_cast<std::int64_t>(earlier.size()) - 1);
  if (parts.size() != 2) {
    row.fail("expected two earlier images, or lists of ranks and routes");
    return earlier.front();
  }
  const auto& first = earlier[static_cast<std::size_t>(parts[0])];
  const auto& then = earlier[static_cast<std::size_t>(parts[1])];
  return {followed_by(first.ranks, then.ranks), followed_by(first.routes, then.routes)};
}

}  // namespace

Json images_json(const Schedule& schedule) {
  Json images = Json::array();
  Products products(schedule);
  for (int i = 0; i < schedule.folding().images(); ++i) {
    const auto product = products.product(i);
    if (i == 0) continue;
    if (product) {
      images.push_back({product->first, product->second});
      continue;
    }
    Json row = Json::array({Json::array()});
    for (const auto rank : products.ranks_of(i)) row[0].push_back(rank.value);
    if (schedule.route_count() > 0) row.push_back(Json::array());
    for (std::size_t k = 0; k < schedule.route_count(); ++k) row[1].push_back(schedule.in_image(i, RouteId{static_cast<std::int64_t>(k)}).value);
    images.push_back(std::move(row));
  }
  return images;
}

std::vector<ScheduleImage> read_images(const JsonValue& value, const ImageSize& size) {
  const auto count = value.size() + 1;
  if (count > most_entries / std::max({static_cast<std::size_t>(size.ranks), size.routes, std::size_t{1}})) {
    value.fail(fmt::format("{} images of {} ranks and {} routes are too many", count, size.ranks, size.routes));
    return {};
  }
  std::vector<ScheduleImage> images{{counting<Rank>(static_cast<std::size_t>(size.ranks)), counting<RouteId>(size.routes)}};
  for (std::size_t i = 0; i + 1 < count; ++i) images.push_back(read_image(value.at(i), size, images));
  return images;
}

}  // namespace p2plab
