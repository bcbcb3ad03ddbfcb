// SPDX-License-Identifier: Apache-2.0
// Ctrl-C as a question that can be asked, so that long work can end in order.
#pragma once

namespace p2plab::cli {

/// While this lives, the first SIGINT (or SIGTERM) does not end the program but makes `asked` true; the second one ends it.
class Interrupt {
 public:
  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;
  Interrupt(Interrupt&&) = delete;
  Interrupt& operator=(Interrupt&&) = delete;

  /// Has one come? Called from one thread at a time.
  bool asked();

 private:
  void release() const;
  int descriptor_ = -1;  // where the kernel reports signals that are held back
  bool asked_ = false;
};

}  // namespace p2plab::cli
