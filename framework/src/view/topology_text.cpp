// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <map>
#include <tuple>

#include <fmt/format.h>

#include "p2plab/base/quantity.h"
#include "p2plab/machine/cuts.h"
#include "p2plab/machine/islands.h"
#include "p2plab/machine/routes.h"
#include "p2plab/machine/topology_view.h"
#include "view/limits_text.h"

namespace p2plab {

namespace {

// Breaks a list at its commas, with deeper indentation from the second line on.
std::string wrapped(const std::string& text, int columns) {
  std::string result;
  std::size_t line = 0;
  std::size_t begin = 0;
  while (begin < text.size()) {
    auto end = text.find(' ', begin);
    end = end == std::string::npos ? text.size() : end;
    if (line + 1 + end - begin > static_cast<std::size_t>(columns) && line > 0 && end > begin) {
      result += "\n     ";
      line = 5;
    }
    if (begin > 0) {
      result += ' ';
      ++line;
    }
    result += text.substr(begin, end - begin);
    line += end - begin;
    begin = end + 1;
  }
  return result + '\n';
}

std::string counted(std::size_t number, const std::string& noun) { return fmt::format("{} {}{}", number, noun, number == 1 ? "" : "s"); }

struct WordMeaning {
  std::string_view word;
  std::string_view meaning;
};

constexpr std::array<WordMeaning, 14> meanings{{{"NV", "over NVLink and NVSwitch only; a number: of links"},
                                                {"DIR", "over other direct links and switches"},
                                                {"XGMI", "over xGMI"},
                                                {"PIX", "through one PCIe switch"},
                                                {"PSB", "through one PCIe switch on their board"},
                                                {"PXB", "through several PCIe switches"},
                                                {"PHB", "through a host (root complex or socket)"},
                                                {"NODE", "through several host bridges of one socket"},
                                                {"PCIE", "over PCIe"},
                                                {"SYS", "over the link between two sockets, or NUMA nodes"},
                                                {"SOC", "over the link between two sockets"},
                                                {"NET", "over a network"},
                                                {"-", "no route, unless another GPU relays"},
                                                {"N/A", "not told"}}};

// Is a word of the matrix the one that is explained: NV12 is NV?
bool is_word(const std::string& word, std::string_view meaning) { return meaning == "NV" ? word.starts_with("NV") : word == meaning; }

class Text {
 public:
  Text(const Topology& topology, const TextOptions& options) : topology_(topology), routes_(topology.routes()), options_(options) {}

  std::string write() && {
    heading();
    const auto ranks = topology_.ranks();
    const bool fits = ranks <= options_.most_matrix_gpus && matrix_width() <= static_cast<std::size_t>(options_.columns);
    if (ranks > 1) fits ? matrix() : route_table();
    nodes();
    gpu_degrees();
    islands();
    cut();
    differences();
    missing();
    return std::move(text_);
  }

 private:
  const std::string& name(Rank rank) const { return topology_.node(topology_.node_of(rank)).name; }
  std::string names(const std::vector<Rank>& ranks) const {
    std::vector<std::string> list;
    for (const auto rank : ranks) list.push_back(name(rank));
    return short_names(list);
  }
  void line(const std::string& text) { text_ += wrapped(text, options_.columns); }

  void heading() {
    std::map<NodeKind, std::size_t> kinds;
    for (const auto& node : topology_.nodes()) ++kinds[node.kind];
    auto text = fmt::format("{}: {}", topology_.name(), counted(kinds[NodeKind::gpu], "GPU"));
    for (const auto& [kind, number] : kinds) {
      if (kind != NodeKind::gpu && number > 0) text += fmt::format(", {} {}", number, to_string(kind));
    }
    line(text + fmt::format(", {}, each in one direction", counted(topology_.links().size(), "link")));
    for (const auto& group : topology_.groups()) {
      line(fmt::format("  group {}: {} share {}{}", group.name, counted(group.links.size(), "link"), to_string(group.bandwidth),
                       counts_text(group.of)));
    }
  }

  std::string cell(Rank from, Rank to) const {
    if (from == to) return "X";
    const auto word = route_word(topology_, from, to);
    return word == "-" ? word : fmt::format("{} {:.4g}", word, routes_.bottleneck(routes_.between(from, to)).gbps());
  }

  std::size_t cell_width() const {
    std::size_t width = 0;
    for (std::int64_t a = 0; a < topology_.ranks(); ++a) {
      width = std::max(width, name(Rank{a}).size());
      for (std::int64_t b = 0; b < topology_.ranks(); ++b) width = std::max(width, cell(Rank{a}, Rank{b}).size());
    }
    return width;
  }

  std::size_t matrix_width() const {
    return topology_.ranks() > options_.most_matrix_gpus ? 0 : 2 + (cell_width() + 2) * (static_cast<std::size_t>(topology_.ranks()) + 1);
  }

  void matrix() {
    text_ += '\n';
    line("Routes between GPUs: kind and GB/s, each pair alone (the row sends, the column receives)");
    const auto width = cell_width();
    const auto ranks = topology_.ranks();
    text_ += fmt::format("  {:<{}}", "", width);
    for (std::int64_t b = 0; b < ranks; ++b) text_ += fmt::format("  {:>{}}", name(Rank{b}), width);
    text_ += '\n';
    for (std::int64_t a = 0; a < ranks; ++a) {
      text_ += fmt::format("  {:<{}}", name(Rank{a}), width);
      for (std::int64_t b = 0; b < ranks; ++b) text_ += fmt::format("  {:>{}}", cell(Rank{a}, Rank{b}), width);
      text_ += '\n';
    }
    legend();
  }

  void legend() {
    std::map<std::string, bool> seen;
    for (std::int64_t a = 0; a < topology_.ranks(); ++a) {
      for (std::int64_t b = 0; b < topology_.ranks(); ++b) {
        if (a != b) seen[route_word(topology_, Rank{a}, Rank{b})] = true;
      }
    }
    for (const auto& [word, meaning] : meanings) {
      if (std::ranges::any_of(seen, [&, shown = word](const auto& one) { return is_word(one.first, shown); }))
        text_ += fmt::format("  {:<4} {}\n", word, meaning);
    }
  }

  void route_table() {
    // Word, bandwidth, latency in picoseconds: how many pairs, and the first of them.
    std::map<std::tuple<std::string, std::int64_t, std::int64_t>, std::pair<std::size_t, std::string>> kinds;
    std::size_t pairs = 0;
    for (std::int64_t a = 0; a < topology_.ranks(); ++a) {
      for (std::int64_t b = 0; b < topology_.ranks(); ++b) {
        if (a == b) continue;
        const auto path = routes_.between(Rank{a}, Rank{b});
        Seconds latency{0};
        for (const auto id : path) latency += topology_.link(id).latency;
        auto& [number, example] =
            kinds[{route_word(topology_, Rank{a}, Rank{b}), -routes_.bottleneck(path).bytes_per_second(), to_sim_time(latency).count()}];
        if (number++ == 0) example = fmt::format("{} -> {}", name(Rank{a}), name(Rank{b}));
        ++pairs;
      }
    }
    text_ += fmt::format("\nRoutes between GPUs: {} ordered pairs, each pair alone\n  {:>9}  {:<4}  {:>8}  {:>8}  {}\n", pairs, "pairs", "kind",
                         "GB/s", "us", "for example");
    for (const auto& [key, value] : kinds) {
      const auto& [word, width, latency] = key;
      text_ += fmt::format("  {:>9}  {:<4}  {:>8.4g}  {:>8.4g}  {}\n", value.first, word, static_cast<double>(-width) * 1e-9,
                           static_cast<double>(latency) * 1e-6, value.second);
    }
    legend();
  }

  // What a node is linked to: by names on a small machine, by counts on a large one.
  std::string neighbours(NodeId id, bool by_name) const {
    std::map<std::pair<std::int64_t, std::string>, std::vector<std::string>> groups;
    for (const auto out : topology_.out_links(id)) {
      const auto& link = topology_.link(out);
      const auto& other = topology_.node(link.to);
      groups[{-link.bandwidth.bytes_per_second(), by_name ? std::string{} : std::string{to_string(other.kind)}}].push_back(other.name);
    }
    std::string text;
    for (const auto& [key, list] : groups) {
      text += text.empty() ? "" : "; ";
      const auto what = by_name ? short_names(list) : counted(list.size(), key.second);
      text += fmt::format("{} at {}", what, to_string(Bandwidth::bytes_per_second(-key.first)));
    }
    return text.empty() ? "nothing" : text;
  }

  void nodes() {
    std::size_t others = 0;
    for (const auto& node : topology_.nodes()) others += node.kind == NodeKind::gpu ? 0 : 1;
    if (others == 0) return;
    const bool by_name = others <= 12;
    std::vector<std::pair<std::string, std::vector<std::string>>> rows;  // the same text for several nodes is one row
    for (std::size_t i = 0; i < topology_.nodes().size(); ++i) {
      const auto& node = topology_.nodes()[i];
      if (node.kind == NodeKind::gpu) continue;
      auto text = fmt::format("{}, linked to {}", to_string(node.kind), neighbours(NodeId{static_cast<std::int64_t>(i)}, by_name));
      text += limits_text(node);
      auto row = std::ranges::find(rows, text, &std::pair<std::string, std::vector<std::string>>::first);
      if (row == rows.end()) row = rows.insert(rows.end(), {text, {}});
      row->second.push_back(node.name);
    }
    text_ += "\nSwitches, hosts and NICs (bandwidth out of each)\n";
    for (const auto& [text, list] : rows) line(fmt::format("  {}: {}{}", short_names(list), list.size() > 1 ? "each a " : "", text));
  }

  void gpu_degrees() {
    std::map<std::pair<Bandwidth, Bandwidth>, std::vector<Rank>> groups;
    const auto all = degrees(topology_);
    for (std::size_t r = 0; r < all.size(); ++r) groups[{all[r].out, all[r].in}].emplace_back(static_cast<std::int64_t>(r));
    text_ += "\nA GPU's own links\n";
    for (const auto& [degree, ranks] : groups) {
      line(fmt::format("  {}: send {}, receive {}", names(ranks), to_string(degree.first), to_string(degree.second)));
    }
  }

  void islands() {
    const auto levels = find_islands(topology_);
    text_ += "\nIslands, finest first\n";
    if (levels.empty()) line("  none: no parting of the GPUs has links inside at least twice as wide as the way out");
    for (std::size_t i = 0; i < levels.size(); ++i) {
      std::string parts;
      for (const auto& island : levels[i].islands) parts += (parts.empty() ? "" : " | ") + names(island);
      line(fmt::format("  level {}: {}", i, parts));
      line(fmt::format("    {}", levels[i].reason));
    }
  }

  void cut() {
    const auto found = bottleneck_cut(topology_);
    if (!found) return;
    text_ += "\nBottleneck cut\n";
    if (found->capacity == Bandwidth{}) {
      line(fmt::format("  nothing gets from {} to {}", names(found->inside), names(found->outside)));
      return;
    }
    std::vector<std::string> links;
    for (const auto id : found->links)
      links.push_back(fmt::format("{} -> {}", topology_.node(topology_.link(id).from).name, topology_.node(topology_.link(id).to).name));
    const auto shown = links.size() <= 4 ? fmt::format("over {}", fmt::join(links, ", ")) : fmt::format("over {} links", links.size());
    line(fmt::format("  from {} to {}: {} {}", names(found->inside), names(found->outside), to_string(found->capacity), shown));
    const auto inside = static_cast<double>(found->inside.size());
    line(fmt::format("  All data of {} must pass there, so no all-gather over these {} GPUs is faster than {:.4g} GB/s",
                     counted(found->inside.size(), "GPU"), topology_.ranks(), found->capacity.gbps() * topology_.ranks() / inside));
    if (!topology_.groups().empty()) text_ += "  (shared budgets of groups are not counted here)\n";
  }

  void differences() {
    const auto all = asymmetries(topology_);
    if (all.empty()) return;
    text_ += "\nLinks that differ by direction\n";
    constexpr std::size_t most = 12;
    for (std::size_t i = 0; i < std::min(all.size(), most); ++i) {
      const auto& pair = all[i];
      const auto back = pair.backward == Bandwidth{} ? std::string{"nothing back"} : fmt::format("{} back", to_string(pair.backward));
      line(fmt::format("  {} -> {}: {}, {}", topology_.node(pair.from).name, topology_.node(pair.to).name, to_string(pair.forward), back));
    }
    if (all.size() > most) text_ += fmt::format("  and {} more\n", all.size() - most);
  }

  void missing() {
    const auto pairs = unconnected_pairs(topology_);
    if (pairs.empty()) return;
    std::map<Rank, std::vector<Rank>> from;
    for (const auto& [a, b] : pairs) from[a].push_back(b);
    text_ +=
        fmt::format("\nNo route without relaying through a GPU: {} of {} ordered pairs\n", pairs.size(), topology_.ranks() * (topology_.ranks() - 1));
    constexpr std::size_t most = 16;
    if (from.size() > most) return;
    for (const auto& [a, to] : from) line(fmt::format("  {} to {}", name(a), names(to)));
  }

  const Topology& topology_;
  const Routes& routes_;
  TextOptions options_;
  std::string text_;
};

}  // namespace

std::string topology_text(const Topology& topology, const TextOptions& options) { return Text(topology, options).write(); }

}  // namespace p2plab
