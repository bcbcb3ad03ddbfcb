// SPDX-License-Identifier: Apache-2.0
// The gallery: what was published about real machines beside what the simulator predicts for them, from pair copies and three numbers for all.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "p2plab/machine/topology.h"
#include "p2plab/report/progress.h"
#include "p2plab/report/report.h"
#include "p2plab/simulator/profile.h"

namespace p2plab {

/// One published figure: a collective's bus bandwidth, or the rate of copies that run at once.
struct GalleryFigure {
  std::string name;           // unique in its case
  bool all_reduce = true;     // else copies
  int gpus = 0;               // all_reduce: the first so many
  Bytes size{0};              // of the collective, or of each copy
  double published_gbps = 0;  // busbw, or GB/s of one copy on average, or of all together
  bool sum = false;           // copies: published is their sum
  bool staged = false;        // through host memory, not from GPU to GPU
  int rings = 0;              // all_reduce: as many as the library is known to have run; 0: all that fit
  std::vector<std::pair<int, int>> copies = {};
  std::string note = {};
};

/// Names of figures that were published in this order, fastest first.
struct GalleryOrder {
  std::vector<std::string> names;
};

struct GalleryCase {
  std::string name;
  std::string source;
  std::string links;  // where its link parameters come from
  Topology topology;
  std::vector<GalleryFigure> figures = {};
  std::vector<GalleryOrder> orders = {};
};

struct Gallery {
  std::string name;
  Profile profile;  // one launch, one signal, one efficiency of rings for every machine
  std::vector<GalleryCase> cases = {};
};

/// Is the config at `path` a gallery (`kind: gallery`)? Files that cannot be read are none.
bool is_gallery(const std::string& path);
/// The same of its text.
bool is_gallery(std::string_view text, const std::string& path);

/// Reads a gallery's config and the cases it names, strictly. Errors: every mistake with its place.
Result<Gallery> load_gallery(const std::string& path);
/// The same of its text.
Result<Gallery> read_gallery(std::string_view text, const std::string& path);

struct GalleryRow {
  std::string machine;
  GalleryFigure figure;
  double predicted_gbps = 0;
  double error_pct() const { return 100 * (predicted_gbps / figure.published_gbps - 1); }
};
enum class OrderKept { yes, tied, no };
struct GalleryOrderRow {
  std::string machine;
  GalleryOrder order;
  OrderKept kept = OrderKept::no;
};
struct GalleryReport {
  std::string name;
  std::vector<GalleryRow> rows = {};
  std::vector<GalleryOrderRow> orders = {};
};

/// Predicts every figure. Errors: a machine on which the published thing cannot be done.
Result<GalleryReport> run_gallery(const Gallery& gallery, Progress& progress);

/// The table, the orders, and how many all-reduces came within 15 %.
std::string to_text(const GalleryReport& report);
/// An object with `name`, `rows` (machine, figure, published_gbps, predicted_gbps, error_pct, note) and `orders` (machine, names, kept).
std::string to_json(const GalleryReport& report);
/// The same as a page with charts, in one file that loads nothing.
std::string to_html(const GalleryReport& report);

}  // namespace p2plab
