// SPDX-License-Identifier: Apache-2.0
// Reads a gallery and its cases.
#include <algorithm>
#include <filesystem>
#include <set>

#include <fmt/format.h>

#include "config/topology_source.h"
#include "p2plab/detail/config_value.h"
#include "p2plab/detail/text.h"
#include "p2plab/experiment/gallery.h"

namespace p2plab {

namespace {

constexpr std::int64_t most_gpus = 64;

class CaseReader {
 public:
  CaseReader(const ConfigFile& file, std::string folder) : file_(file), root_(file.root()), folder_(std::move(folder)) {}

  Result<GalleryCase> run() {
    if (!root_.expect_keys({.required = {"version", "name", "source", "links", "topology", "figures"}, .optional = {"orders"}}))
      return std::move(file_.status()).error();
    auto machine = read_machine(root_["topology"], root_["mask"], folder_);
    ranks_ = machine ? machine->topology.ranks() : 1;
    std::vector<GalleryFigure> figures;
    for (const auto& value : root_["figures"].list(1)) figures.push_back(figure(value));
    std::vector<GalleryOrder> orders;
    if (root_["orders"].present()) {
      for (const auto& value : root_["orders"].list(1)) orders.push_back(order(value));
    }
    const auto name = root_["name"].string();
    const auto source = root_["source"].string();
    const auto links = root_["links"].string();
    if (root_["version"].integer({}, 1) != 1) root_["version"].add_error("this reader knows version 1 of gallery cases only");
    if (auto ok = file_.status(); !ok) return std::move(ok).error();
    expects(machine.has_value());
    return GalleryCase{name, source, links, std::move(machine->topology), std::move(figures), std::move(orders)};
  }

 private:
  GalleryFigure figure(const ConfigValue& value) {
    GalleryFigure figure;
    if (!value.expect_keys(
            {.required = {"name", "size"}, .optional = {"gpus", "busbw", "copies", "shift", "each", "sum", "staged", "rings", "note"}}))
      return figure;
    figure.name = value["name"].string();
    if (!names_.insert(figure.name).second) value["name"].add_error(fmt::format("'{}' is listed twice", figure.name));
    figure.size = value["size"].size(Bytes{1});
    if (value["size"].present() && figure.size.count() <= 0) value["size"].add_error("a size must be above 0 B");
    figure.staged = value["staged"].boolean(false);
    figure.rings = static_cast<int>(value["rings"].integer({.least = 1, .most = most_gpus}, 1)) * (value["rings"].present() ? 1 : 0);
    if (value["note"].present()) figure.note = value["note"].string();
    figure.all_reduce = value["gpus"].present();
    if (figure.all_reduce) {
      figure.gpus = static_cast<int>(value["gpus"].integer({.least = 2, .most = ranks_}, 2));
      figure.published_gbps = value["busbw"].bandwidth(GBps(1)).gbps();
      if (!value["busbw"].present()) value.add_error("an all-reduce needs its published busbw");
      return figure;
    }
    figure.sum = value["sum"].present();
    figure.published_gbps = value[figure.sum ? "sum" : "each"].bandwidth(GBps(1)).gbps();
    if (!figure.sum && !value["each"].present())
      value.add_error("copies need their published rate", {"write each: 25 GB/s for one on average, or sum: 100 GB/s"});
    figure.copies = copies(value);
    return figure;
  }

  // Pairs of sender and receiver, or every GPU to the one so many further.
  std::vector<std::pair<int, int>> copies(const ConfigValue& value) {
    std::vector<std::pair<int, int>> pairs;
    if (value["shift"].present()) {
      const auto shift = static_cast<int>(value["shift"].integer({.least = 1, .most = std::max(1, ranks_ - 1)}, 1));
      for (int r = 0; r < ranks_; ++r) pairs.emplace_back(r, (r + shift) % ranks_);
      return pairs;
    }
    if (!value["copies"].present()) value.add_error("this says neither gpus (an all-reduce) nor copies nor shift");
    for (const auto& pair : value["copies"].present() ? value["copies"].list(1) : std::vector<ConfigValue>{}) {
      const auto ends = pair.list(2, 2);
      if (ends.size() != 2) continue;
      const auto end = [&](const ConfigValue& rank) { return static_cast<int>(rank.integer({.least = 0, .most = ranks_ - 1}, 0)); };
      pairs.emplace_back(end(ends[0]), end(ends[1]));
      if (pairs.back().first == pairs.back().second) pair.add_error("a copy needs two GPUs");
    }
    return pairs;
  }

  GalleryOrder order(const ConfigValue& value) {
    GalleryOrder order;
    for (const auto& name : value.list(2)) {
      order.names.push_back(name.string());
      if (!names_.contains(order.names.back())) name.add_error(fmt::format("no figure is called '{}'", order.names.back()));
    }
    return order;
  }

  const ConfigFile& file_;
  ConfigValue root_;
  std::string folder_;
  int ranks_ = 1;
  std::set<std::string> names_;
};

Result<GalleryCase> load_case(const std::string& path) {
  auto file = ConfigFile::load(path);
  if (!file) return std::move(file).error();
  return CaseReader{*file, std::filesystem::path(path).parent_path().string()}.run();
}

}  // namespace

bool is_gallery(const std::string& path) {
  const auto text = read_text_file(path, longest_config);
  return text && is_gallery(*text, path);
}

bool is_gallery(std::string_view text, const std::string& path) {
  const auto file = ConfigFile::parse(text, path);
  if (!file || !file->root().is_map()) return false;
  const auto kind = file->root()["kind"];
  return kind.is_scalar() && kind.string() == "gallery";
}

Result<Gallery> load_gallery(const std::string& path) {
  const auto text = read_text_file(path, longest_config);
  if (!text) return text.error();
  return read_gallery(*text, path);
}

Result<Gallery> read_gallery(std::string_view text, const std::string& path) {
  auto file = ConfigFile::parse(text, path);
  if (!file) return std::move(file).error();
  const auto root = file->root();
  if (!root.expect_keys({.required = {"version", "kind", "profile", "cases"}, .optional = {"name"}})) return std::move(file->status()).error();
  const auto folder = std::filesystem::path(path).parent_path();
  if (root["version"].integer({}, 1) != 1) root["version"].add_error("this p2plab reads version 1");
  Gallery gallery{.name = root["name"].string(std::filesystem::path(path).stem().string()), .profile = {}};
  auto profile = load_profile((folder / root["profile"].string("?")).string());
  if (profile)
    gallery.profile = *std::move(profile);
  else
    root["profile"].add_error(std::move(profile).error());
  for (const auto& value : root["cases"].list(1)) {
    auto one = load_case((folder / value.string("?")).string());
    if (one)
      gallery.cases.push_back(*std::move(one));
    else
      value.add_error(std::move(one).error());
  }
  if (auto ok = file->status(); !ok) return std::move(ok).error();
  return gallery;
}

}  // namespace p2plab
