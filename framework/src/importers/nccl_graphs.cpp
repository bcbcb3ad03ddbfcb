// SPDX-License-Identifier: Apache-2.0
// NCCL's graph file.
#include <algorithm>
#include <charconv>

#include <fmt/format.h>
#include <pugixml.hpp>

#include "p2plab/detail/text.h"
#include "p2plab/program/importer.h"

namespace p2plab {

namespace {

constexpr std::size_t longest_graphs = std::size_t{4} << 20;
constexpr int most_ranks = 1024;

class GraphReader {
 public:
  GraphReader(std::string_view text, const std::string& filename) : text_(text), filename_(filename) {}

  Result<std::vector<ImportedGraph>> run() {
    pugi::xml_document document;
    const auto parsed = document.load_buffer(text_.data(), text_.size(), pugi::parse_default | pugi::parse_doctype, pugi::encoding_utf8);
    if (!parsed)
      return at(static_cast<std::size_t>(std::max<std::ptrdiff_t>(parsed.offset, 0)), fmt::format("not valid XML: {}", parsed.description()));
    const auto graphs = document.child("graphs");
    if (!graphs) return Error{ErrorCode::invalid_input, "no <graphs> element: this is no graph file of NCCL", SourceLocation{filename_}};
    std::vector<ImportedGraph> all;
    for (const auto& graph : graphs.children("graph")) {
      const std::string_view id = graph.attribute("id").value();
      if (id != "0" && id != "1") continue;
      auto read = read_graph(graph, id == "1");
      if (!read) return std::move(read).error();
      if (!read->orders.empty()) all.push_back(*std::move(read));
    }
    if (all.empty()) return at(graphs, "it has no ring (id 0) and no tree (id 1)");
    return all;
  }

 private:
  Error at(std::size_t offset, std::string message) const { return {ErrorCode::invalid_input, std::move(message), locate(text_, offset, filename_)}; }
  Error at(const pugi::xml_node& node, std::string message) const {
    return at(static_cast<std::size_t>(std::max<std::ptrdiff_t>(node.offset_debug(), 0)), std::move(message));
  }

  // Of `rank` in any base of C, or of `dev` as hexadecimal.
  Result<Rank> rank_of(const pugi::xml_node& gpu) const {
    const auto rank = gpu.attribute("rank");
    const std::string text = rank ? rank.value() : gpu.attribute("dev").value();
    char* end = nullptr;
    const auto value = std::strtol(text.c_str(), &end, rank ? 0 : 16);
    if (text.empty() || *end != '\0' || value < 0 || value >= most_ranks)
      return at(gpu, fmt::format("{} of <gpu> must be a rank from 0 to {}, got {}", rank ? "rank" : "dev", most_ranks - 1, quoted(text)));
    return Rank{value};
  }

  Result<ImportedGraph> read_graph(const pugi::xml_node& graph, bool chain) const {
    ImportedGraph read{.chain = chain, .orders = {}};
    for (const auto& channel : graph.children("channel")) {
      std::vector<Rank> order;
      for (const auto& element : channel.children()) {
        if (std::string_view{element.name()} == "net")
          return at(element, "rings through networks are NCCL's own between servers; only those of one server can be read");
        if (std::string_view{element.name()} != "gpu") continue;
        auto rank = rank_of(element);
        if (!rank) return std::move(rank).error();
        order.push_back(*rank);
      }
      auto sorted = order;
      std::ranges::sort(sorted);
      for (std::size_t r = 0; r < sorted.size(); ++r) {
        if (sorted[r].index() != r)
          return at(channel, fmt::format("a channel must name each rank once, from 0 on; {} ranks here, and rank {} is missing", sorted.size(), r));
      }
      if (order.empty() || (!read.orders.empty() && read.orders.front().size() != order.size()))
        return at(channel,
                  fmt::format("a channel of {} GPUs, where another has {}", order.size(), read.orders.empty() ? 0 : read.orders.front().size()));
      read.orders.push_back(std::move(order));
    }
    if (const auto said = graph.attribute("nchannels").as_int(-1); said != static_cast<int>(read.orders.size()))
      return at(graph, fmt::format("nchannels is {}, but there are {} channels", said, read.orders.size()));
    return read;
  }

  std::string_view text_;
  const std::string& filename_;
};

}  // namespace

Result<std::vector<ImportedGraph>> import_nccl_graphs(std::string_view text, const std::string& filename) {
  if (text.size() > longest_graphs) return Error{ErrorCode::invalid_input, "the file is longer than 4 MiB", SourceLocation{filename}};
  return GraphReader{text, filename}.run();
}

}  // namespace p2plab
