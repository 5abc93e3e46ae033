// The durable home of what all members agree on: who owns what (core/ring/layout.h, as bytes that
// mean nothing here); and, as another file of the same form, of this member's vote for the next
// layout (core/membership/layout_ballot.h). A member that forgot it would take itself for a new
// node, so this file is either whole, or known to be damaged, or was never written:
//   layout            the newest; replaced whole, never written in place
//   layout.previous   the one before, for the operator, should the newest be damaged
// Blocking: not for a shard's loop. One caller at a time.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"

namespace gyre {

inline constexpr std::size_t kLayoutFileBytesMax = 20 * 1024 * 1024;

class LayoutFile {
 public:
  // `folder` is that of the data (storage/data_folder.h). `name`: of the file, "layout" for the
  // layout.
  explicit LayoutFile(std::string folder, std::string name = "layout")
      : folder_(std::move(folder)), name_(std::move(name)), previous_(name_ + ".previous") {}

  // Once this returns without error, `layout` is what Load gives, whatever stops the machine; if it
  // fails, either that or what was there before. Up to two files of that size are written and
  // synced. What is there is kept as the previous one, if it is sound and another.
  // Errors: kIoError; kUnsupported: what is there was written by a later version.
  // REQUIRES: at most kLayoutFileBytesMax.
  Status Store(std::string_view layout);

  // What was stored last; nullopt: nothing ever was.
  // Errors: kCorruption if it is damaged, or gone while a previous one is there: the sentence says
  // what an operator is to do; kUnsupported: written by a later version; kIoError.
  Result<std::optional<std::string>> Load() const;

 private:
  tl::unexpected<Error> Damaged(const std::string& problem) const;

  std::string folder_;
  std::string name_;
  std::string previous_;
};

}  // namespace gyre
