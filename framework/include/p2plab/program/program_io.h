// SPDX-License-Identifier: Apache-2.0
// Programs as files: JSON that holds everything an executor needs, so that a program can be run, simulated or exported without planning again.
#pragma once

#include <string>
#include <string_view>

#include "p2plab/machine/topology.h"
#include "p2plab/program/program.h"

namespace p2plab {

/// A program and the machine whose links its routes name.
struct ProgramFile {
  Topology topology;
  Program program;
};

/// Version 1 of the format, described in framework/README.md. Reading it back gives the same value.
std::string write_program(const ProgramFile& file);

/// Reads a program file; `filename` is for messages. Errors: not JSON (line and column), a version other than 1, unknown, repeated or missing keys,
/// wrong types and impossible values (the place as a JSON pointer), and whatever `check` finds (check.h): what is read is proved.
Result<ProgramFile> read_program(std::string_view text, const std::string& filename);

/// The same from a file of at most 1 GiB.
Result<ProgramFile> load_program(const std::string& path);

}  // namespace p2plab
