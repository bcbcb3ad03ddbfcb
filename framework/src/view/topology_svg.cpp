// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <set>
#include <tuple>

#include <fmt/format.h>

#include "p2plab/base/quantity.h"
#include "p2plab/machine/svg_layout.h"
#include "p2plab/machine/topology_view.h"
#include "view/connections.h"

namespace p2plab {

namespace {

struct LinkStyle {
  LinkKind kind;
  std::string_view colour;
  std::string_view words;
};

// Colours that stay apart for colour-blind eyes (Okabe and Ito, 2008).
constexpr std::array<LinkStyle, 6> link_styles{{{LinkKind::nvlink, "#009e73", "NVLink"},
                                                {LinkKind::pcie, "#0072b2", "PCIe"},
                                                {LinkKind::upi, "#d55e00", "between sockets"},
                                                {LinkKind::host_memory, "#56b4e9", "host memory"},
                                                {LinkKind::network, "#cc79a7", "network"},
                                                {LinkKind::other, "#666666", "direct link"}}};

constexpr std::string_view lacking_colour = "#a8001c";

const LinkStyle& style_of(LinkKind kind) { return *std::ranges::find(link_styles, kind, &LinkStyle::kind); }

std::string_view fill_of(NodeKind kind) {
  switch (kind) {
    case NodeKind::gpu: return "#ffffff";
    case NodeKind::nvswitch: return "#d5f0e4";
    case NodeKind::pcie_switch: return "#d6e8f5";
    case NodeKind::host: return "#fbe3d0";
    case NodeKind::nic: return "#f6e3ee";
    case NodeKind::network_switch: return "#ececec";
  }
  return "#ffffff";
}

std::string escaped(const std::string& text) {
  std::string result;
  for (const char letter : text) {
    switch (letter) {
      case '<': result += "&lt;"; break;
      case '>': result += "&gt;"; break;
      case '&': result += "&amp;"; break;
      case '"': result += "&quot;"; break;
      default: result += static_cast<unsigned char>(letter) < 0x20 ? ' ' : letter;
    }
  }
  return result;
}

// A name that has room for `fits` letters: cut, or its number alone.
std::string short_label(const std::string& name, std::size_t fits) {
  if (name.size() <= fits) return name;
  auto number = name.substr(std::min(name.find_last_not_of("0123456789") + 1, name.size()));
  if (!number.empty() && number.size() <= fits) return number;
  return name.substr(0, fits > 2 ? fits - 2 : 1) + "..";
}

class Picture {
 public:
  explicit Picture(const Topology& topology) : topology_(topology), drawing_(place_nodes(topology)), connections_(connections(topology)) {
    for (const auto& connection : connections_) {
      widest_ = std::max(widest_, connection.wider());
      ++alike_[sort_of(connection)][connection.wider()];
    }
    const bool below = std::ranges::none_of(topology.nodes(), [](const Node& node) { return node.kind == NodeKind::nvswitch; });
    arc_side_ = below ? 1 : -1;
    top_ = 56;
  }

  std::string draw() && {
    for (const auto& connection : connections_) draw_connection(connection);
    for (std::size_t i = 0; i < drawing_.nodes.size(); ++i) draw_node(topology_.nodes()[i], drawing_.nodes[i]);
    top_ -= highest_;  // arcs above the highest row need room
    const double legend_top = std::max(drawing_.height + 14, lowest_ + 24) + top_;
    const double width = std::max(drawing_.width, 640.0);
    const double height = draw_legend(legend_top, width) + 16;
    const auto shift = (width - drawing_.width) / 2;
    return fmt::format(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0:.0f} {1:.0f}\" width=\"{0:.0f}\" height=\"{1:.0f}\" font-family=\"DejaVu Sans, "
        "Helvetica, Arial, sans-serif\">\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n<text x=\"24\" y=\"34\" font-size=\"18\" "
        "font-weight=\"bold\" "
        "fill=\"#222222\">{2}</text>\n<text x=\"24\" y=\"53\" font-size=\"12\" fill=\"#555555\">{3} GPUs; line width by bandwidth, each "
        "direction</text>\n"
        "<g transform=\"translate({4:.1f} {5:.1f})\">\n{6}</g>\n{7}</svg>\n",
        width, height, escaped(topology_.name()), topology_.ranks(), shift, top_, body_, legend_);
  }

 private:
  double stroke(Bandwidth bandwidth) const {
    const double share =
        std::sqrt(static_cast<double>(bandwidth.bytes_per_second()) / static_cast<double>(std::max<std::int64_t>(widest_.bytes_per_second(), 1)));
    return (1 + 6 * share) * (connections_.size() > 40 ? 0.5 : 1.0);
  }

  // What should be alike: one kind of link between the same kinds of nodes.
  using Sort = std::tuple<LinkKind, NodeKind, NodeKind>;
  Sort sort_of(const Connection& connection) const {
    const auto [low, high] = std::minmax(topology_.node(connection.a).kind, topology_.node(connection.b).kind);
    return {connection.kind, low, high};
  }

  // An NVLink is lost, or the board is built so: less than most of its sort have. Where no bandwidth has the majority there is no such rest.
  bool lacks(const Connection& connection) const {
    const auto& counts = alike_.at(sort_of(connection));
    const auto usual = std::ranges::max_element(counts, {}, [](const auto& each) { return each.second; });
    int all = 0;
    for (const auto& [bandwidth, count] : counts) all += count;
    return 2 * usual->second > all && connection.wider() < usual->first;
  }

  // Where a line to `other` leaves a node: its centre, or on a bar the point nearest to the other end.
  static double end_of(const Placed& node, const Placed& other) {
    if (!node.bar) return node.x;
    return std::clamp(other.x, node.x - node.width / 2 + 12, node.x + node.width / 2 - 12);
  }

  // On a circle: would the straight line run behind a GPU between its ends?
  bool passes_behind(const Placed& a, const Placed& b) const {
    const int around = topology_.ranks();
    const int steps = std::min(std::abs(a.place - b.place), around - std::abs(a.place - b.place));
    if (steps < 2 || a.row != b.row) return false;
    const double centre = drawing_.width / 2;
    const double radius = std::hypot(a.x - centre, a.y - centre);
    const double nearest = std::hypot((a.x + b.x) / 2 - centre, (a.y + b.y) / 2 - centre);
    return radius - nearest < a.width / 2 + 8;
  }

  struct Curve {
    std::string path;
    double middle_x = 0;
    double middle_y = 0;
  };

  // The way of a line, and where its middle is.
  Curve curve_between(const Placed& a, const Placed& b) {
    const double ax = end_of(a, b);
    const double bx = end_of(b, a);
    const bool neighbours = std::abs(a.place - b.place) == 1;
    auto path = fmt::format("M{:.1f} {:.1f} L{:.1f} {:.1f}", ax, a.y, bx, b.y);
    double middle_x = (ax + bx) / 2;
    double middle_y = (a.y + b.y) / 2;
    if (drawing_.grid && is_bent(drawing_, a, b)) {
      const double bend = a.width * 0.6 + 8;  // between the rows or columns
      const bool level = a.row == b.row;
      middle_x += level ? 0 : bend;
      middle_y -= level ? bend : 0;
      path = fmt::format("M{:.1f} {:.1f} Q{:.1f} {:.1f} {:.1f} {:.1f} T{:.1f} {:.1f}", ax, a.y, ax + bend, level ? a.y - bend : a.y + bend, middle_x,
                         middle_y, bx, b.y);
    } else if (drawing_.folded && (a.row > 3) != (b.row > 3)) {
      // Beside the box, and up to the network.
      const auto& inside = a.row > 3 ? b : a;
      const auto& network = a.row > 3 ? a : b;
      const double end = end_of(network, {.x = inside.trunk_x});
      const bool below = std::abs(end - inside.trunk_x) < 1;
      path = fmt::format("M{:.1f} {:.1f} V{:.1f} H{:.1f} V{:.1f} H{:.1f} V{:.1f}", inside.x, inside.y, inside.trunk_y, inside.trunk_x,
                         below ? network.y : network.y + 40, end, network.y);
      middle_x = inside.x;
      middle_y = (inside.y + inside.trunk_y) / 2;
    } else if (!drawing_.circle && a.row == b.row && !neighbours) {
      const double side = a.row == 0 ? arc_side_ : -1;
      const double bend = side * std::min(40 + 0.35 * std::abs(bx - ax), a.row == 0 && side > 0 ? 1e9 : 90.0);
      path = fmt::format("M{:.1f} {:.1f} Q{:.1f} {:.1f} {:.1f} {:.1f}", ax, a.y, middle_x, a.y + 2 * bend, bx, b.y);
      middle_y = a.y + bend;
      lowest_ = std::max(lowest_, middle_y);
      highest_ = std::min(highest_, middle_y - 12);
    }
    if (drawing_.circle && passes_behind(a, b)) {
      const double centre = drawing_.width / 2;
      const double inward = 0.45;
      path = fmt::format("M{:.1f} {:.1f} Q{:.1f} {:.1f} {:.1f} {:.1f}", ax, a.y, middle_x + inward * (centre - middle_x),
                         middle_y + inward * (centre - middle_y), bx, b.y);
      middle_x += inward / 2 * (centre - middle_x);
      middle_y += inward / 2 * (centre - middle_y);
    }
    return {std::move(path), middle_x, middle_y};
  }

  void draw_connection(const Connection& connection) {
    const auto& a = drawing_.nodes[connection.a.index()];
    const auto& b = drawing_.nodes[connection.b.index()];
    const auto [path, middle_x, middle_y] = curve_between(a, b);
    const auto& style = style_of(connection.kind);
    const bool less = lacks(connection);
    body_ += fmt::format(
        "<path d=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"{:.1f}\" stroke-opacity=\"0.8\"{} data-from=\"{}\" "
        "data-to=\"{}\"><title>{}</title></path>\n",
        path, less ? lacking_colour : style.colour, stroke(connection.wider()), less ? " stroke-dasharray=\"7 4\"" : "",
        escaped(topology_.node(connection.a).name), escaped(topology_.node(connection.b).name), escaped(describe(connection)));
    if (less) {
      body_ += fmt::format(
          "<text x=\"{:.1f}\" y=\"{:.1f}\" font-size=\"11\" font-weight=\"bold\" text-anchor=\"middle\" fill=\"{}\" stroke=\"#ffffff\" "
          "stroke-width=\"4\" paint-order=\"stroke\">{}</text>\n",
          middle_x, middle_y + 4, lacking_colour, to_string(connection.wider()));
    }
    if (connection.forward == connection.backward) return;
    // An arrow in the middle shows the wider direction, hollow if something flows back.
    const bool forward = connection.forward > connection.backward;
    const double angle = std::atan2(b.y - a.y, end_of(b, a) - end_of(a, b)) * 180 / 3.14159265358979 + (forward ? 0 : 180);
    const bool back = std::min(connection.forward, connection.backward) > Bandwidth{};
    body_ += fmt::format("<path d=\"M-7 -7 L9 0 L-7 7 Z\" transform=\"translate({:.1f} {:.1f}) rotate({:.1f})\" fill=\"{}\" stroke=\"{}\"/>\n",
                         middle_x, middle_y, angle, back ? "#ffffff" : style.colour, style.colour);
  }

  std::string describe(const Connection& connection) const {
    const auto& a = topology_.node(connection.a).name;
    const auto& b = topology_.node(connection.b).name;
    if (connection.forward == connection.backward) return fmt::format("{} and {}: {} each way", a, b, to_string(connection.forward));
    return fmt::format("{} to {}: {}, back: {}", a, b, to_string(connection.forward), to_string(connection.backward));
  }

  void draw_node(const Node& node, const Placed& placed) {
    const bool gpu = node.kind == NodeKind::gpu;
    const double size = drawing_.small ? 9 : 11;
    if (gpu) {
      body_ += fmt::format(
          "<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"{:.1f}\" fill=\"{}\" stroke=\"#222222\" stroke-width=\"1.5\" "
          "data-gpu=\"{}\"><title>{}</title></circle>\n",
          placed.x, placed.y, placed.width / 2, fill_of(node.kind), escaped(node.name), escaped(node.name));
    } else {
      body_ += fmt::format(
          "<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" rx=\"5\" fill=\"{}\" stroke=\"#222222\" "
          "stroke-width=\"1.2\"><title>{}</title></rect>\n",
          placed.x - placed.width / 2, placed.y - placed.height / 2, placed.width, placed.height, fill_of(node.kind), escaped(node.name));
    }
    const auto fits = static_cast<std::size_t>((placed.width - 4) / (size * 0.62));
    const auto label = short_label(node.name, fits);
    body_ += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" font-size=\"{:.0f}\" text-anchor=\"middle\" fill=\"#111111\">{}</text>\n", placed.x,
                         placed.y + size * 0.36, size, escaped(label));
  }

  // Returns the y below the legend.
  double draw_legend(double top, double width) {
    std::map<std::pair<LinkKind, std::int64_t>, int> lines;  // widest first within a kind
    for (const auto& connection : connections_) ++lines[{connection.kind, -connection.wider().bytes_per_second()}];
    constexpr double column = 200;
    constexpr double line = 22;
    constexpr std::size_t most = 15;
    const auto columns = std::max<std::size_t>(1, static_cast<std::size_t>((width - 48) / column));
    std::size_t index = 0;
    const auto place = [&] {
      const auto row = index / columns;
      const double x = 24 + column * static_cast<double>(index++ % columns);
      const double y = top + line * static_cast<double>(row);
      return std::pair{x, y};
    };
    for (const auto& [key, number] : lines) {
      if (index >= most) break;
      const auto [x, y] = place();
      const auto bandwidth = Bandwidth::bytes_per_second(-key.second);
      const auto& style = style_of(key.first);
      legend_ += fmt::format("<line x1=\"{:.0f}\" y1=\"{:.0f}\" x2=\"{:.0f}\" y2=\"{:.0f}\" stroke=\"{}\" stroke-width=\"{:.1f}\"/>\n", x, y, x + 30,
                             y, style.colour, stroke(bandwidth));
      legend_ += fmt::format("<text x=\"{:.0f}\" y=\"{:.0f}\" font-size=\"12\" fill=\"#222222\">{} {}</text>\n", x + 38, y + 4, style.words,
                             to_string(bandwidth));
    }
    index = (index + columns - 1) / columns * columns;  // kinds of nodes begin a line of their own
    std::set<NodeKind> kinds;
    for (const auto& node : topology_.nodes()) kinds.insert(node.kind);
    for (const auto kind : kinds) {
      const auto [x, y] = place();
      const double corner = kind == NodeKind::gpu ? 8 : 3;
      legend_ += fmt::format("<rect x=\"{:.0f}\" y=\"{:.0f}\" width=\"{}\" height=\"16\" rx=\"{}\" fill=\"{}\" stroke=\"#222222\"/>\n",
                             kind == NodeKind::gpu ? x + 7 : x, y - 8, kind == NodeKind::gpu ? 16 : 30, corner, fill_of(kind));
      legend_ += fmt::format("<text x=\"{:.0f}\" y=\"{:.0f}\" font-size=\"12\" fill=\"#222222\">{}</text>\n", x + 38, y + 4, to_string(kind));
    }
    return top + line * std::ceil(static_cast<double>(index) / static_cast<double>(columns));
  }

  const Topology& topology_;
  Drawing drawing_;
  std::vector<Connection> connections_;
  Bandwidth widest_;
  std::map<Sort, std::map<Bandwidth, int>> alike_;  // how many have it
  double arc_side_ = 1;
  double top_ = 0;
  double lowest_ = 0;
  double highest_ = 0;
  std::string body_;
  std::string legend_;
};

}  // namespace

std::string topology_svg(const Topology& topology) { return Picture(topology).draw(); }

}  // namespace p2plab
