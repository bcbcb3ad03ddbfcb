// SPDX-License-Identifier: Apache-2.0
// Source code of a packet kernel made for one program: the interpreter's own source (device/packet.h) with the program's tables as constants, so that
// the compiler leaves nothing of the interpreting. Compiled at run time (cuda/special_kernel.h).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "lowered/launch.h"
#include "lowered/linked_packets.h"
#include "p2plab/program/epilogue.h"

namespace p2plab {

/// The epilogue's part: vectors of a row that a thread holds (0: any number), whether rows are whole vectors, and how many packets a row has where a
/// block takes whole rows (0: all blocks meet before).
struct RowCode {
  int slots = 0;
  bool whole = false;
  std::uint32_t packets = 0;
  bool taken = false;  // sums stay in registers from the packet to the row
  int cluster = 1;     // blocks that share a row
  Epilogue what = {};
};

/// What the code may count on.
struct PacketCode {
  device::KernelChoice choice;
  std::uint32_t threads = 128;
  std::uint32_t blocks_per_processor = 1;  // that many must fit at once: limits registers
  bool odd = false;                        // packets may be cut short or lie at odd addresses
  bool once = false;                       // no thread has more than one packet
  bool recorded = false;                   // calls may carry a journal
  bool steps = false;                      // and note their steps in it
  std::optional<RowCode> rows = std::nullopt;
};

/// Can a kernel be made for these packets? They have one column, every item must fit into one wave, and the code must stay short: at most 16 waves,
/// 64 sources and 96 stores. The second: for every rank of a program, whatever its memory.
bool can_specialise(const LinkedPackets& linked);
bool can_specialise(const PacketProgram& program);

/// The constants of linked packets: a struct Shape, as device/fixed_tables.h describes it.
std::string shape_source(const LinkedPackets& linked, const PacketCode& code);

/// A whole translation unit with one kernel, `packets`, whose parameters are packet_parameters, an args::PacketCall and,
/// with rows, an args::EpilogueCall.
std::string kernel_source(const LinkedPackets& linked, const PacketCode& code);

/// The kernel's first parameter: their addresses and sizes, as FixedTables lays them out.
std::vector<std::uint64_t> packet_parameters(const LinkedPackets& linked);

}  // namespace p2plab
