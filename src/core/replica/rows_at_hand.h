// Rows that need no waiting: those of the memory engine, those in a cache of hot rows. The replica
// asks here first; what is not at hand goes by ReadEffect and WriteEffect and comes back as an
// event. Both ways promise the same (effects.h), so a driver may answer "not at hand" as it likes:
// the simulator does so by chance.
#pragma once

#include <cstdint>
#include <optional>

#include "base/result.h"
#include "core/causality/record.h"
#include "core/key.h"

namespace gyre {

class RowsAtHand {
 public:
  virtual ~RowsAtHand() = default;

  // nullopt: not at hand. REQUIRES: no write of this key is in flight.
  virtual std::optional<Result<std::optional<Row>>> ReadAtHand(const RowKey& key) = 0;
  // The same, for a look: the record's bytes are borrowed, and hold until the next write at hand.
  virtual std::optional<Result<std::optional<Row>>> PeekAtHand(const RowKey& key) {
    return ReadAtHand(key);
  }
  // May the next write be done at hand? If so it is done, as durable as configured, when
  // WriteAtHand returns. REQUIRES of both: no write of this key is in flight.
  virtual bool WritesAtHand() = 0;
  // The record's bytes; where that pays, such that WriteAtHand of a row of them for this key need
  // not copy them.
  virtual Bytes EncodeAtHand(const RowKey& /*key*/, const OwnWrites& /*own*/,
                             const Record& record) {
    return record.Encode();
  }
  // nullopt: the row goes. `leaf_delta` as in WriteEffect.
  virtual void WriteAtHand(const RowKey& key, const std::optional<Row>& row,
                           std::uint64_t leaf_delta) = 0;
  // The same for a record that is not encoded yet, nor needed so elsewhere, nor counted in a tree.
  virtual void WriteAtHand(const RowKey& key, const OwnWrites& own, const Record& record) {
    WriteAtHand(key, Row{own, record.Encode()}, 0);
  }
};

}  // namespace gyre
