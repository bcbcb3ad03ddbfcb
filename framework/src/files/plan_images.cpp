// SPDX-License-Identifier: Apache-2.0
#include "files/plan_images.h"

#include <algorithm>
#include <optional>
#include <unordered_map>

#include <fmt/format.h>

#include "schedule/verify_symmetric.h"

namespace p2plab {

namespace {

constexpr std::size_t most_kept = 32;

std::uint64_t hash_of(const ScheduleImage& image) {
  std::uint64_t hash = image.ranks.size();
  const auto add = [&](std::int32_t value) { hash = (hash ^ static_cast<std::uint32_t>(value)) * 0x9E3779B97F4A7C15U + (hash >> 29); };
  for (const auto rank : image.ranks) add(rank.value);
  for (const auto route : image.routes) add(route.value);
  return hash;
}

template <class Index>
std::vector<Index> followed_by(const std::vector<Index>& first, const std::vector<Index>& then) {
  std::vector<Index> both;
  both.reserve(first.size());
  for (const auto place : first) both.push_back(then[place.index()]);
  return both;
}

// Empty if two are moved to the same place.
template <class Index>
std::vector<Index> inverse(const std::vector<Index>& moves) {
  std::vector<Index> back(moves.size(), Index{-1});
  for (std::size_t i = 0; i < moves.size(); ++i) {
    auto& place = back[moves[i].index()];
    if (place.value >= 0) return {};
    place = Index{static_cast<std::int64_t>(i)};
  }
  return back;
}

// Finds images that are products of earlier ones. Of those that are not, ones that can be undone are kept, for later ones to be products with.
class Products {
 public:
  explicit Products(const Schedule& schedule) : schedule_(schedule) {}

  /// Images are asked for in order.
  std::optional<std::pair<int, int>> product(int image) {
    const auto all = image_of(image);
    const auto found = find(all);
    known_.emplace(hash_of(all), image);
    if (image > 0 && !found && kept_.size() < most_kept) keep(image, all);
    return found;
  }

  ScheduleImage image_of(int image) const {
    ScheduleImage all;
    for (int r = 0; r < schedule_.ranks(); ++r) all.ranks.push_back(schedule_.in_image(image, Rank{r}));
    for (std::size_t k = 0; k < schedule_.route_count(); ++k) all.routes.push_back(schedule_.in_image(image, RouteId{static_cast<std::int64_t>(k)}));
    return all;
  }

 private:
  struct Kept {
    int image;
    ScheduleImage back;  // its inverse
  };

  void keep(int image, const ScheduleImage& all) {
    ScheduleImage back{inverse(all.ranks), inverse(all.routes)};
    if (back.routes.size() == all.routes.size()) kept_.push_back({image, std::move(back)});
  }

  std::optional<std::pair<int, int>> find(const ScheduleImage& image) const {
    for (const auto& [then, back] : kept_) {
      const ScheduleImage first{followed_by(image.ranks, back.ranks), followed_by(image.routes, back.routes)};
      const auto candidate = known_.find(hash_of(first));
      if (candidate != known_.end() && is(first, candidate->second)) return std::pair{candidate->second, then};
    }
    return std::nullopt;
  }

  bool is(const ScheduleImage& image, int candidate) const {
    const auto other = image_of(candidate);
    return other.ranks == image.ranks && other.routes == image.routes;
  }

  const Schedule& schedule_;
  std::unordered_map<std::uint64_t, int> known_;  // only looked up; of several that fit any will do
  std::vector<Kept> kept_;
};

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

// A row is two earlier images or a list of ranks and, where there are routes, one of routes.
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
    const auto image = products.image_of(i);
    Json row = Json::array({Json::array()});
    for (const auto rank : image.ranks) row[0].push_back(rank.value);
    if (!image.routes.empty()) row.push_back(Json::array());
    for (const auto route : image.routes) row[1].push_back(route.value);
    images.push_back(std::move(row));
  }
  return images;
}

std::vector<ScheduleImage> read_images(const JsonValue& value, const ImageSize& size) {
  const auto count = value.size() + 1;
  if (count > most_image_entries / std::max({static_cast<std::size_t>(size.ranks), size.routes, std::size_t{1}})) {
    value.fail(fmt::format("{} images of {} ranks and {} routes are too many", count, size.ranks, size.routes));
    return {};
  }
  std::vector<ScheduleImage> images{{counting<Rank>(static_cast<std::size_t>(size.ranks)), counting<RouteId>(size.routes)}};
  for (std::size_t i = 0; i + 1 < count; ++i) images.push_back(read_image(value.at(i), size, images));
  return images;
}

}  // namespace p2plab
