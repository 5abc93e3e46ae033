// What this shard has promised in ballots on tombstones, and what has been purged, by partition:
// the two numbers of docs/adr/0006-safe-deletes.md. Both only rise. They are kept on disk as notes:
// rows of a keyspace of their own, one per partition, which no client, tree or scan of data meets.
// Pure; kept up by Replica.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "core/ids.h"
#include "core/key.h"

namespace gyre {

struct BallotNumbers {
  std::uint64_t promised = 0;  // no copy of before this ballot is kept here for others
  std::uint64_t purged = 0;    // all members have promised it: copies of before it are refused

  bool operator==(const BallotNumbers&) const = default;
  // Each as high as in either.
  friend BallotNumbers Higher(const BallotNumbers& a, const BallotNumbers& b) {
    return {std::max(a.promised, b.promised), std::max(a.purged, b.purged)};
  }
};
Bytes EncodeNote(const BallotNumbers& numbers);
// Errors: kCorruption.
Result<BallotNumbers> DecodeNote(const Bytes& note);

class BallotBook {
 public:
  explicit BallotBook(int partition_bits) : partition_bits_(partition_bits) {}

  // Where the note of a partition lies.
  RowKey KeyOf(PartitionId partition) const;
  PartitionId PartitionOf(const RowKey& key) const {
    return gyre::PartitionOf(key.token, partition_bits_);
  }

  // What is on disk: what this node may tell others.
  BallotNumbers Durable(PartitionId partition) const { return At(partition).durable; }
  // What is, or is about to be: what it holds itself to.
  BallotNumbers Pending(PartitionId partition) const { return At(partition).pending; }

  // The stamp of a copy of this partition whose reading begins now.
  std::uint64_t Stamp(const RowKey& key) const {
    return books_.empty() ? 0 : Durable(PartitionOf(key)).promised;
  }
  // The lowest stamp with which a copy may be joined into this row: a hint is one that this node
  // has promised not to keep.
  std::uint64_t Floor(const RowKey& row) const {
    if (books_.empty() || IsNote(row)) return 0;
    const Book& book = At(PartitionOf(row));
    return row.is_hint() ? book.pending.promised : book.durable.purged;
  }

  void Pend(PartitionId partition, const BallotNumbers& numbers) {
    Book& book = Open(partition);
    book.pending = Higher(book.pending, numbers);
  }
  void MakeDurable(PartitionId partition, const BallotNumbers& numbers) {
    Pend(partition, numbers);
    Book& book = Open(partition);
    book.durable = Higher(book.durable, numbers);
  }

  // Those with any durable number, in order.
  template <typename Visitor>
  void ForEachDurable(Visitor&& visit) const {
    for (std::uint32_t p = 0; p < books_.size(); ++p) {
      if (books_[p].durable != BallotNumbers{}) visit(PartitionId(p), books_[p].durable);
    }
  }

 private:
  struct Book {
    BallotNumbers durable, pending;
  };
  const Book& At(PartitionId partition) const {
    static const Book kNone;
    return books_.empty() ? kNone : books_[partition.value];
  }
  Book& Open(PartitionId partition) {
    if (books_.empty()) books_.resize(std::size_t{1} << partition_bits_);
    return books_[partition.value];
  }

  const int partition_bits_;
  std::vector<Book> books_;  // by partition; empty until there is anything to keep
};

}  // namespace gyre
