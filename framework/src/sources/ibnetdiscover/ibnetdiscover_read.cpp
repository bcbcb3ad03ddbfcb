// SPDX-License-Identifier: Apache-2.0
// Lines by their first characters: `Switch 40 "S-..." # "name" ...` begins a node, `[7] "H-..."[1](guid) # "name" lid 4 4xHDR` is a port of it. What
// a switch with numbers outside shows (`[7][ext 3]`), options -f and -g, and lines of identifiers (`vendid=`) are read over.
#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <optional>

#include <fmt/format.h>

#include "p2plab/detail/text.h"
#include "sources/ibnetdiscover/ibnetdiscover.h"

namespace p2plab {

namespace {

// Gb/s of data of one lane, net of line coding: 8b/10b to QDR, 64b/66b from FDR10 on (InfiniBand architecture specification; NDR and XDR by their
// names).
struct Speed {
  std::string_view name;
  double lane;
};
constexpr std::array speeds{Speed{"SDR", 2},  Speed{"DDR", 4},  Speed{"QDR", 8},   Speed{"FDR10", 10}, Speed{"FDR", 14.0625 * 64 / 66},
                            Speed{"EDR", 25}, Speed{"HDR", 50}, Speed{"NDR", 100}, Speed{"XDR", 200}};

struct Kind {
  std::string_view word;
  IbNode::Kind kind;
};
constexpr std::array node_kinds{Kind{"Switch", IbNode::Kind::crossbar}, Kind{"Ca", IbNode::Kind::adapter}, Kind{"Rt", IbNode::Kind::router}};

// What begins lines that say nothing about who is joined to whom.
constexpr std::array said_beside{"#",    "vendid=", "devid=", "sysimgguid=", "switchguid=", "caguid=",  "rtguid=", "Chassis", "Spine",
                                 "Line", "SLB",     "SFB",    "External",    "Non-Chassis", "Hostname", "Slot",    "Internal"};

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view blanks = " \t\r";
  const auto first = text.find_first_not_of(blanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(blanks) + 1 - first);
}

// What stands in the next quotes; `text` goes on behind them. None if there are none.
std::optional<std::string_view> quoted_word(std::string_view& text) {
  const auto begin = text.find('"');
  if (begin == std::string_view::npos) return std::nullopt;
  const auto end = text.find('"', begin + 1);
  if (end == std::string_view::npos) return std::nullopt;
  const auto found = text.substr(begin + 1, end - begin - 1);
  text.remove_prefix(end + 1);
  return found;
}

// "[22]": the number; `text` goes on behind it.
std::optional<int> bracketed(std::string_view& text) {
  if (!text.starts_with('[')) return std::nullopt;
  int number = 0;
  const auto end = text.find(']');
  if (end == std::string_view::npos) return std::nullopt;
  const auto [stop, fault] = std::from_chars(text.data() + 1, text.data() + end, number);
  if (fault != std::errc{} || stop != text.data() + end || number < 0) return std::nullopt;
  text.remove_prefix(end + 1);
  return number;
}

class FabricReader {
 public:
  FabricReader(std::string_view text, const std::string& filename) : text_(text), filename_(filename) {}

  Result<IbFabric> run() {
    for (std::size_t at = 0; at < text_.size();) {
      const auto end = std::min(text_.find('\n', at), text_.size());
      if (auto ok = line(at, trimmed(text_.substr(at, end - at))); !ok) return std::move(ok).error();
      at = end + 1;
    }
    for (const auto& [node, port, peer, place] : joins_) {
      const auto found = by_id_.find(peer);
      if (found == by_id_.end()) return fail(place, fmt::format("'{}' is joined, but the file has no such node", peer));
      fabric_.nodes[node].ports[port].peer = found->second;
    }
    return std::move(fabric_);
  }

 private:
  Error fail(std::size_t place, std::string message) const { return {ErrorCode::invalid_input, std::move(message), locate(text_, place, filename_)}; }

  Status line(std::size_t place, std::string_view text) {
    if (text.empty()) return {};
    if (text.front() == '[') return port(place, text);
    for (const auto& [word, kind] : node_kinds) {
      if (text.starts_with(word) && text.size() > word.size() && (text[word.size()] == ' ' || text[word.size()] == '\t'))
        return node(place, text, kind);
    }
    if (std::ranges::any_of(said_beside, [&](std::string_view word) { return text.starts_with(word); })) return {};
    return fail(place, "expected a line of ibnetdiscover: a node (Switch, Ca, Rt) or one of its ports");
  }

  Status node(std::size_t place, std::string_view text, IbNode::Kind kind) {
    const auto id = quoted_word(text);
    if (!id || id->empty()) return fail(place, "expected the node's identifier in quotes");
    const auto description = quoted_word(text).value_or("");
    if (!by_id_.emplace(*id, fabric_.nodes.size()).second) return fail(place, fmt::format("'{}' is there twice", *id));
    fabric_.nodes.push_back({kind, std::string(*id), std::string(trimmed(description))});
    return {};
  }

  Status port(std::size_t place, std::string_view text) {
    if (fabric_.nodes.empty()) return fail(place, "a port before the first node");
    IbPort port;
    const auto number = bracketed(text);
    const auto peer = quoted_word(text);
    const auto other = peer ? bracketed(text) : std::nullopt;
    if (!number || !peer || !other) return fail(place, "expected a port such as [22] \"H-0008f10403961354\"[1]");
    port.number = *number;
    port.peer_port = *other;
    const auto rate = rate_of(text);
    if (!rate) return fail(place, "expected the cable's width and speed at the end, as in 4xHDR");
    port.rate = *rate;
    auto& ports = fabric_.nodes.back().ports;
    joins_.push_back({fabric_.nodes.size() - 1, ports.size(), std::string(*peer), place});
    ports.push_back(port);
    return {};
  }

  // The last word such as 4xHDR.
  static std::optional<Bandwidth> rate_of(std::string_view text) {
    // Descriptions may hold anything.
    for (auto rest = text; quoted_word(rest);) text = rest;
    std::optional<Bandwidth> rate;
    while (!(text = trimmed(text)).empty()) {
      const auto word = text.substr(0, text.find_first_of(" \t"));
      text.remove_prefix(word.size());
      int width = 0;
      const auto [stop, fault] = std::from_chars(word.data(), word.data() + word.size(), width);
      if (fault != std::errc{} || stop == word.data() + word.size() || *stop != 'x' || width < 1 || width > 12) continue;
      const auto name = word.substr(static_cast<std::size_t>(stop + 1 - word.data()));
      const auto* speed = std::ranges::find(speeds, name, &Speed::name);
      if (speed != speeds.end()) rate = GBps(speed->lane * width / 8);
    }
    return rate;
  }

  struct Join {
    std::size_t node;
    std::size_t port;
    std::string peer;
    std::size_t place;
  };

  std::string_view text_;
  const std::string& filename_;
  IbFabric fabric_;
  std::map<std::string, std::size_t, std::less<>> by_id_;
  std::vector<Join> joins_;
};

}  // namespace

bool is_ibnetdiscover(std::string_view text) {
  constexpr std::size_t head = 1 << 16;
  const auto begin = text.substr(0, head);
  return begin.find("switchguid=") != std::string_view::npos || begin.find("caguid=") != std::string_view::npos;
}

Result<IbFabric> read_ibnetdiscover(std::string_view text, const std::string& filename) { return FabricReader{text, filename}.run(); }

}  // namespace p2plab
