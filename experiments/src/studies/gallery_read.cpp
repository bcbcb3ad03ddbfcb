// SPDX-License-Identifier: Apache-2.0
// Reads a gallery and its cases.
#include <algorithm>
#include <array>
#include <filesystem>
#include <set>

#include <fmt/format.h>

#include "config/profile_source.h"
#include "config/topology_source.h"
#include "p2plab/detail/config_value.h"
#include "p2plab/detail/named.h"
#include "p2plab/detail/text.h"
#include "p2plab/experiment/evaluator.h"
#include "p2plab/experiment/gallery.h"
#include "p2plab/machine/gpu_kind.h"
#include "studies/gallery_parts.h"

namespace p2plab {

namespace {

class CaseReader {
 public:
  CaseReader(const ConfigFile& file, std::string folder) : file_(file), root_(file.root()), folder_(std::move(folder)) {}

  Result<GalleryCase> run() {
    if (!root_.expect_keys(
            {.required = {"version", "name", "source", "links", "topology"}, .optional = {"gpu", "profile", "figures", "tables", "orders"}}))
      return std::move(file_.status()).error();
    auto machine = read_machine(root_["topology"], root_["mask"], folder_);
    if (machine && root_["gpu"].present()) machine->topology = with_gpu(machine->topology);
    ranks_ = machine ? machine->topology.ranks() : 1;
    auto profile = read_profile(root_["profile"], folder_, machine);
    if (machine && !profile && !root_["profile"].present())
      root_["topology"].add_error("no profile is known for this machine's GPUs", {"write profile: NAME, or gpu: MODEL in the topology"});
    for (const auto& value : root_["figures"].list()) {
      auto figure = gallery::read_figure(value, ranks_);
      if (!figure) continue;
      is_new(value["name"], figure->name);
      figures_.push_back(*std::move(figure));
    }
    for (const auto& value : root_["tables"].list()) table(value);
    std::vector<GalleryOrder> orders;
    for (const auto& value : root_["orders"].list()) orders.push_back(order(value));
    const auto name = root_["name"].string();
    const auto source = root_["source"].string();
    const auto links = root_["links"].string();
    if (root_["version"].integer({}, 1) != 1) root_["version"].add_error("this reader knows version 1 of gallery cases only");
    if (auto ok = file_.status(); !ok) return std::move(ok).error();
    expects(machine.has_value() && profile.has_value());
    return GalleryCase{name, source, links, std::move(machine->topology), *std::move(profile), std::move(figures_), std::move(orders)};
  }

 private:
  // A preset of PCIe servers names no GPUs.
  Topology with_gpu(const Topology& topology) {
    const auto name = root_["gpu"].string();
    auto known = gpu_source(name, Origin::read, "gallery case");
    if (known) return with_source(topology, *std::move(known));
    root_["gpu"].add_error(fmt::format("no table knows the GPU '{}'", name));
    return topology;
  }

  bool is_new(const ConfigValue& value, const std::string& name) {
    if (names_.insert(name).second) return true;
    value.add_error(fmt::format("'{}' is listed twice", name));
    return false;
  }

  // A matrix: what was published of each pair, null where nothing was.
  void table(const ConfigValue& value) {
    if (!value.expect_keys({.required = {"name"}, .optional = {"copy", "both", "latency", "size", "staged", "by", "fitted", "note"}})) return;
    const auto name = value["name"].string();
    is_new(value["name"], name);
    const auto mover = gallery::read_mover(value["by"]);
    int found = 0;
    for (const char* what : {"copy", "both", "latency"}) {
      if (!value[what].present()) continue;
      ++found;
      elements(value, what, name, mover);
    }
    if (found != 1) value.add_error("a table has one matrix", {"copy, both or latency"});
  }

  void elements(const ConfigValue& value, const std::string& what, const std::string& name, GalleryFigure::Mover mover) {
    using Kind = GalleryFigure::Kind;
    const auto rows = value[what].list(1, static_cast<std::size_t>(ranks_));
    for (std::size_t a = 0; a < rows.size(); ++a) {
      const auto row = rows[a].list(static_cast<std::size_t>(ranks_), static_cast<std::size_t>(ranks_));
      for (std::size_t b = 0; b < row.size(); ++b) {
        const bool empty = !row[b].is_scalar() && !row[b].is_map() && !row[b].is_list();
        if (a == b || empty) continue;
        const auto from = static_cast<int>(a);
        const auto to = static_cast<int>(b);
        GalleryFigure figure{.name = fmt::format("{}, {} to {}", name, from, to),
                             .table = name,
                             .kind = what == "latency" ? Kind::latency : Kind::copies,
                             .unit = what == "latency" ? GalleryFigure::Unit::time : GalleryFigure::Unit::sum,
                             .published = row[b].number({.least = 1e-3, .most = 1e6}, 1),
                             .size = what == "latency" ? Bytes{0} : value["size"].size(Bytes{std::int64_t{64} << 20}),
                             .staged = value["staged"].boolean(false),
                             .fitted = value["fitted"].boolean(false),
                             .mover = mover,
                             .copies = {{from, to}},
                             .note = value["note"].string("")};
        if (what == "both") figure.copies.emplace_back(to, from);
        names_.insert(figure.name);
        figures_.push_back(std::move(figure));
      }
    }
  }

  // A list of names, or a map of them and by how much each is faster than the next.
  GalleryOrder order(const ConfigValue& value) {
    GalleryOrder order;
    if (value.is_map() && value.expect_keys({.required = {"names", "factor"}})) order.factor = value["factor"].number({.least = 1, .most = 1e6}, 1);
    for (const auto& name : (value.is_map() ? value["names"] : value).list(2)) {
      order.names.push_back(name.string());
      // A table's name is none of a figure.
      if (std::ranges::find(figures_, order.names.back(), &GalleryFigure::name) == figures_.end())
        name.add_error(fmt::format("no figure is called '{}'", order.names.back()));
    }
    return order;
  }

  const ConfigFile& file_;
  ConfigValue root_;
  std::string folder_;
  int ranks_ = 1;
  std::set<std::string> names_;
  std::vector<GalleryFigure> figures_;
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
  if (!root.expect_keys({.required = {"version", "kind", "cases"}, .optional = {"name"}})) return std::move(file->status()).error();
  const auto folder = std::filesystem::path(path).parent_path();
  if (root["version"].integer({}, 1) != 1) root["version"].add_error("this p2plab reads version 1");
  Gallery gallery{.name = root["name"].string(std::filesystem::path(path).stem().string())};
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
