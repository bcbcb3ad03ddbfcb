// SPDX-License-Identifier: Apache-2.0
// MSCCL's XML as text, in the dialect of each of its readers.
#pragma once

#include <map>
#include <string>

#include "exporters/msccl/steps.h"
#include "p2plab/program/exporter.h"

namespace p2plab {

/// Where the readers differ.
struct MscclDialect {
  MscclLimits limits = {};
  std::string reduce_scatter = "reduce_scatter";
  bool to_included = false;  // does a plan serve `maxBytes` itself?
};

/// One file. Errors: those of `msccl_steps`.
Result<std::string> msccl_xml_text(const ExportJob& job, const MscclDialect& dialect);

}  // namespace p2plab
