// SPDX-License-Identifier: Apache-2.0
#include "rows/host_rows.h"

#include "rows/row_cpu.h"

namespace p2plab {

namespace {

template <class Number>
void run(const args::EpilogueCall& call) {
  device::run_rows<RowCpu<PlainCpu>, device::RowShape<Number, 1, 0, false>>(call, 0);
}

}  // namespace

void run_rows_on_host(DataType type, const args::EpilogueCall& call) {
  if (type == DataType::float16) return run<CpuHalf>(call);
  if (type == DataType::bfloat16) return run<CpuBFloat>(call);
  run<CpuFloat>(call);
}

}  // namespace p2plab
