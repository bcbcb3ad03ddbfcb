// SPDX-License-Identifier: Apache-2.0
// No linear programs in this library: the plans that it makes need none, and a solver's libraries would come into every program that loads it. A
// planner that would ask one is told that it gave up, which each of them has an answer for.
#include "p2plab/detail/linear_program.h"

namespace p2plab {

struct LinearProgram::Model {};

LinearProgram::LinearProgram(std::span<const double>, std::span<const double>) {}
LinearProgram::~LinearProgram() = default;
void LinearProgram::add_row(double, std::span<const Term>, double) {}
void LinearProgram::add_column(double, std::span<const Term>) {}
void LinearProgram::set_bounds(int, double, double) {}
void LinearProgram::stop_when(std::function<bool()>) {}
bool LinearProgram::solve() { return false; }
bool LinearProgram::infeasible() const { return false; }
double LinearProgram::objective() const { return 0; }
double LinearProgram::value(int) const { return 0; }
double LinearProgram::price(int) const { return 0; }

}  // namespace p2plab
