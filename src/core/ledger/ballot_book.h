// What this shard has promised in ballots on tombstones, and what has been purged, by section:
// the two numbers of docs/adr/0006-safe-deletes.md. Both only rise. They are kept on disk as notes:
// rows of a keyspace of their own, one per section, which no client, tree or scan of data meets.
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
  explicit BallotBook(int section_bits) : section_bits_(section_bits) {}

  // Where the note of a section lies.
  RowKey KeyOf(SectionId section) const;
  SectionId SectionOf(const RowKey& key) const { return gyre::SectionOf(key.token, section_bits_); }

  // What is on disk: what this node may tell others.
  BallotNumbers Durable(SectionId section) const { return At(section).durable; }
  // What is, or is about to be: what it holds itself to.
  BallotNumbers Pending(SectionId section) const { return At(section).pending; }

  // The stamp of a copy of this section whose reading begins now.
  std::uint64_t Stamp(const RowKey& key) const {
    return books_.empty() ? 0 : Durable(SectionOf(key)).promised;
  }
  // The lowest stamp with which a copy may be joined into this row: a hint is one that this node
  // has promised not to keep.
  std::uint64_t Floor(const RowKey& row) const {
    if (books_.empty() || IsNote(row)) return 0;
    const Book& book = At(SectionOf(row));
    return row.is_hint() ? book.pending.promised : book.durable.purged;
  }

  void Pend(SectionId section, const BallotNumbers& numbers) {
    Book& book = Open(section);
    book.pending = Higher(book.pending, numbers);
  }
  void MakeDurable(SectionId section, const BallotNumbers& numbers) {
    Pend(section, numbers);
    Book& book = Open(section);
    book.durable = Higher(book.durable, numbers);
  }

  // Those with any durable number, in order.
  template <typename Visitor>
  void ForEachDurable(Visitor&& visit) const {
    for (std::uint32_t p = 0; p < books_.size(); ++p) {
      if (books_[p].durable != BallotNumbers{}) visit(SectionId(p), books_[p].durable);
    }
  }

 private:
  struct Book {
    BallotNumbers durable, pending;
  };
  const Book& At(SectionId section) const {
    static const Book kNone;
    return books_.empty() ? kNone : books_[section.value];
  }
  Book& Open(SectionId section) {
    if (books_.empty()) books_.resize(std::size_t{1} << section_bits_);
    return books_[section.value];
  }

  const int section_bits_;
  std::vector<Book> books_;  // by section; empty until there is anything to keep
};

}  // namespace gyre
