// SPDX-License-Identifier: Apache-2.0
// The gallery: what was published about real machines beside what is predicted for them, by the profile of their GPUs and nothing else.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "p2plab/machine/topology.h"
#include "p2plab/nccl/nccl_call.h"
#include "p2plab/program/planner.h"
#include "p2plab/report/progress.h"
#include "p2plab/report/report.h"
#include "p2plab/simulator/profile.h"

namespace p2plab {

/// One published figure: a library's collective, a kernel's, copies that run at once, or the time that the least copy takes.
struct GalleryFigure {
  enum class Kind : std::uint8_t { collective, copies, latency };
  enum class Unit : std::uint8_t { busbw, algbw, sum, each, time };  // GB/s of all bytes over the whole time; GB/s of a copy on average; us
  /// Who moves the data of copies: the sender's copy engine or the receiver's, or thread blocks that store to the receiver or load from the sender.
  enum class Mover : std::uint8_t { engine, pulls, stores, loads };
  /// In place of a GPU among `copies`: the memory of the host that is nearest to the other end.
  static constexpr int host_memory = -1;

  std::string name;        // unique in its case
  std::string table = {};  // the matrix that it is an element of
  Kind kind = Kind::collective;
  Unit unit = Unit::busbw;
  double published = 0;
  Bytes size{0};  // of the collective, or of each copy
  CollectiveKind collective = CollectiveKind::all_reduce;
  int gpus = 0;                                  // collective: the first so many
  nccl::LaunchMode launch = {};                  // collective: how it was run
  bool multicast = false;                        // collective: with NVLS
  bool peers_over_hosts = true;                  // collective: peer access through hosts that pass it on; Intel's ask for NCCL_P2P_LEVEL=SYS
  nccl::Asked asked = {};                        // collective of NCCL: what it was told to use
  std::string kernel = {};                       // collective: one kernel of somebody's, predicted as this planner's; empty: NCCL's
  Parameters parameters = {};                    // that planner's
  bool staged = false;                           // copies: through host memory, not from GPU to GPU
  bool queued = false;                           // copies: each GPU's one after the other, as on one CUDA stream
  bool fitted = false;                           // a number of the machine or of its profile was taken from this
  Mover mover = Mover::engine;                   // copies; latency: engine or loads
  std::vector<std::pair<int, int>> copies = {};  // latency: one
  std::string note = {};
};

/// Names of figures that were published in this order, fastest first, each at least `factor` times as fast as the next.
struct GalleryOrder {
  std::vector<std::string> names;
  double factor = 1;
};

struct GalleryCase {
  std::string name;
  std::string source;
  std::string links;  // where its link parameters come from
  Topology topology;
  Profile profile;  // that of its GPUs, unless the case names another
  std::vector<GalleryFigure> figures = {};
  std::vector<GalleryOrder> orders = {};
};

struct Gallery {
  std::string name;
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

/// In the figure's unit; low and high are the slow and the fast end of what the profile and the launch mode leave open.
struct GalleryPrediction {
  double value = 0;
  double low = 0;
  double high = 0;
  std::string by = {};  // "ring ll" of NCCL's model, else empty
};

struct GalleryRow {
  std::string machine;
  std::string profile;
  GalleryFigure figure;
  GalleryPrediction predicted;
  double error_pct() const { return 100 * (predicted.value / figure.published - 1); }
  /// Predicted over published time, or the other way round, whichever is above 1.
  double off() const { return std::max(predicted.value / figure.published, figure.published / predicted.value); }
  bool inside() const { return predicted.low <= figure.published && figure.published <= predicted.high; }
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

/// Rows of one kind and size: collectives below 64 KiB, to 16 MiB and above, copies, latencies; fitted rows apart from the others.
struct GalleryBand {
  std::string name;
  bool fitted = false;
  int rows = 0;
  double median_pct = 0;  // of |error|
  double worst = 1;       // factor
  int inside = 0;         // their interval
  std::string worst_row = {};
};
/// Those that have rows, the fitted ones last.
std::vector<GalleryBand> bands_of(const GalleryReport& report);

/// Predicts one figure. Errors: a machine on which the published thing cannot be done.
Result<GalleryPrediction> predict(const GalleryCase& one, const GalleryFigure& figure);
/// Predicts every figure.
Result<GalleryReport> run_gallery(const Gallery& gallery, Progress& progress);

/// The table (a matrix is one line), the orders and the bands.
std::string to_text(const GalleryReport& report);
/// An object with `name`, `rows` (machine, profile, figure, kind, unit, published, predicted, predicted_low, predicted_high, error_pct, fitted,
/// note), `orders` (machine, names, factor, kept) and `bands`.
std::string to_json(const GalleryReport& report);
/// The rows.
std::string to_csv(const GalleryReport& report);
/// The bands, and last how many published orders were predicted right.
std::string bands_csv(const GalleryReport& report);
/// "Published order on X, fastest first: a > b: predicted right."
std::string order_sentence(const GalleryOrderRow& row);
/// The figures that are rates, or become one by their size, as a page with charts, in one file that loads nothing.
std::string to_html(const GalleryReport& report);

}  // namespace p2plab
