// SPDX-License-Identifier: Apache-2.0
// The folder of a run: it says of itself what was run, keeps the finished cells of a sweep until the report is written, and is where processes that
// share one sweep meet.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "p2plab/base/file_descriptor.h"
#include "p2plab/base/result.h"
#include "p2plab/experiment/sweep.h"

namespace p2plab {

/// Whether other processes run the same sweep into the same folder.
struct Sharing {
  bool shared = false;
  std::string job = {};  // of MPI or Slurm; empty: none is known
  int rank = 0;
  int ranks = 1;
};

/// What Open MPI or Slurm (srun) say to a process that they started. MPICH's Hydra names no job, so its ranks are not known to belong together.
Sharing sharing_by_environment();

class RunFolder final : public CellKeeper {
 public:
  struct Options {
    std::string folder;
    Sharing sharing = {};
    bool fresh = false;  // begin anew, whatever is there
  };

  /// Makes `folder`/run: run.json (version, command, config, files, machines), the inputs, the machines. Finished cells that lie there and belong to
  /// the same inputs and version of the program are kept. Errors: io; another run that writes into this folder.
  static Result<RunFolder> open(const Options& options, const Sweep& sweep, std::string_view text, const std::string& path);

  /// How many cells were finished before this process began.
  std::size_t found() const { return found_; }

  bool kept(std::size_t cell) override;
  bool claim(std::size_t cell) override;
  Status keep(std::size_t cell, const Report& report) override;
  std::optional<Report> take(std::size_t cell) override;

  /// Waits for who writes the report, if somebody does; true if that is this process, since nobody has.
  bool writes_report();
  /// The report is written; the cells are in it.
  Status finish();

 private:
  explicit RunFolder(std::string folder) : folder_(std::move(folder)) {}
  std::string cell_file(std::size_t cell, const char* kind) const;
  bool finished() const;
  Status drop_unreadable() const;
  Status write_cell(std::size_t cell, Report report) const;
  Status begin(const std::string& identity, const std::vector<Attachment>& files);

  std::string folder_;
  std::size_t found_ = 0;
  bool shared_ = false;
  std::vector<std::string> prefixes_;  // of attachments, by cell
  std::map<std::size_t, Report> unwritten_;
  FileDescriptor owner_;
  FileDescriptor report_;
  std::map<std::size_t, FileDescriptor> claims_;
};

/// The config of a run that `folder` keeps; none if it keeps none.
std::optional<std::string> config_in(const std::string& folder);

}  // namespace p2plab
