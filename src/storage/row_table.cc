#include "storage/row_table.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <new>

#include "base/codec.h"

namespace gyre {
namespace {

// A row's block: token (2 x u64), key size (u32, top bit: own writes follow), own writes (3 x u64,
// only if there are any: most rows of a replica have none), key, record.
constexpr std::size_t kRowHeaderBytes = 20;
constexpr std::size_t kOwnBytes = 24;
constexpr std::uint32_t kHasOwn = 1u << 31;
// Two owners of one block cost its count twice: a smaller record is sooner copied.
constexpr std::size_t kSharedRecordMin = 512;

struct RowView {
  explicit RowView(Bytes::Handle handle) : block(Bytes::ViewOf(handle)) {
    std::memcpy(&size_and_flag, block.data() + 16, 4);
  }
  Token token() const {
    Token t;
    std::memcpy(&t.high, block.data(), 8);
    std::memcpy(&t.low, block.data() + 8, 8);
    return t;
  }
  bool has_own() const { return (size_and_flag & kHasOwn) != 0; }
  std::size_t key_at() const { return kRowHeaderBytes + (has_own() ? kOwnBytes : 0); }
  std::size_t key_size() const { return size_and_flag & ~kHasOwn; }
  std::string_view key() const { return block.substr(key_at(), key_size()); }
  std::size_t record_at() const { return key_at() + key_size(); }
  OwnWrites own() const {
    OwnWrites o;
    if (!has_own()) return o;
    const char* at = block.data() + kRowHeaderBytes;
    std::memcpy(&o.actor.value, at, 8);
    std::memcpy(&o.epoch, at + 8, 8);
    std::memcpy(&o.n, at + 16, 8);
    return o;
  }

  std::string_view block;
  std::uint32_t size_and_flag;
};

std::size_t RecordAt(std::string_view key, const OwnWrites& own) {
  return kRowHeaderBytes + (own != OwnWrites{} ? kOwnBytes : 0) + key.size();
}

template <typename WriteRecord>
Bytes PackRow(Token token, std::string_view key, const OwnWrites& own, std::size_t record_bytes,
              const WriteRecord& write_record) {
  const bool has_own = own != OwnWrites{};
  return Bytes::Build(RecordAt(key, own) + record_bytes, [&](char* out) {
    Writer writer(out);
    writer.U64(token.high);
    writer.U64(token.low);
    writer.U32(static_cast<std::uint32_t>(key.size()) | (has_own ? kHasOwn : 0));
    if (has_own) {
      writer.U64(own.actor.value);
      writer.U64(own.epoch);
      writer.U64(own.n);
    }
    writer.Raw(key);
    write_record(writer.position());
  });
}

// Does the record lie in the block of just this row? What else it may lie in (a message, another
// row) differs in what is before it.
bool IsPacked(Token token, std::string_view key, const OwnWrites& own, const Bytes& record) {
  const std::size_t at = RecordAt(key, own);
  if (record.block() == nullptr || record.block_bytes() != at + record.size()) return false;
  const RowView row(record.block());
  return row.block.data() + at == record.data() && row.key_size() == key.size() &&
         row.has_own() == (own != OwnWrites{}) && row.token() == token && row.key() == key &&
         row.own() == own;
}

Row RowOf(Bytes::Handle handle, const RowView& view) {
  return {view.own(),
          Bytes::SliceOf(handle, view.record_at(), view.block.size() - view.record_at())};
}
Row BorrowedRowOf(const RowView& view) {
  return {view.own(), Bytes::Borrow(view.block.substr(view.record_at()))};
}

constexpr std::size_t kLine = 64;  // of the processor's caches

// Asks for the whole of a small row at once: its lines are wanted one after the other.
void PrefetchRow(Bytes::Handle handle) {
  const char* const at = reinterpret_cast<const char*>(handle);  // without reading it
  __builtin_prefetch(at + kLine);
  __builtin_prefetch(at + 2 * kLine);
  __builtin_prefetch(at + 3 * kLine);
}

// And for the rest of one that has come. A get sends it; and what a put replaces is the block that
// the allocator gives out next, whose cold lines would each hold up the writing of the new row.
void PrefetchRest(Bytes::Handle handle) {
  constexpr std::size_t kPrefetchedBytesMax = 4 * 1024;
  const std::size_t bytes = std::min(Bytes::ViewOf(handle).size(), kPrefetchedBytesMax);
  const char* const at = reinterpret_cast<const char*>(handle);
  for (std::size_t line = 4 * kLine; line < bytes; line += kLine) __builtin_prefetch(at + line);
}

// Orders a stored row against (token, key).
std::strong_ordering Compare(const RowView& row, Token token, std::string_view key) {
  const auto by_token = row.token() <=> token;
  if (by_token != 0) return by_token;
  return row.key().compare(key) <=> 0;
}

// Leaves grow through these, then split: multiples of how many tags are looked at together, and
// each a little below a size of the allocator's.
constexpr std::uint32_t kTagsAtOnce = 8;
constexpr std::uint16_t kNoTag = UINT16_MAX;
constexpr std::uint32_t kCapacities[] = {8, 16, 32, 48};
constexpr std::uint32_t kLeafRowsMax = 48;
// The directory may not outgrow the leaves: keys made to share a long prefix of their tokens (or
// test tokens that count from 0) would double it without end. Then leaves grow instead.
constexpr std::size_t kDirectoryEntriesPerLeafMax = 16;
constexpr std::uint32_t kDepthMax = 40;

std::uint32_t CapacityFor(std::uint32_t rows) {
  for (const std::uint32_t capacity : kCapacities) {
    if (rows <= capacity) return capacity;
  }
  return (rows * 2 + kTagsAtOnce - 1) / kTagsAtOnce * kTagsAtOnce;
}

}  // namespace

// Followed by `capacity` tags, then `capacity` handles. A tag is the 16 bits of the token behind
// the leaf's own prefix: rows are found by them, and only a row whose tag fits is touched. Header
// and tags come first and together, so that a cold search costs two neighbouring cache lines, the
// line of one handle, and the row. Tags that no row has yet are the greatest there is, so that none
// of them counts as below another.
struct RowTable::Leaf {
  std::uint32_t count;
  std::uint32_t capacity;
  std::uint32_t depth;

  static constexpr std::size_t kHeaderBytes = 16;
  static std::size_t BytesFor(std::uint32_t capacity) {
    return RowsAt(capacity) + std::size_t{capacity} * sizeof(Bytes::Handle);
  }
  // Aligned, as capacities are multiples of kTagsAtOnce.
  static std::size_t RowsAt(std::uint32_t capacity) {
    return kHeaderBytes + std::size_t{capacity} * sizeof(std::uint16_t);
  }
  std::uint16_t* tags() const {
    return reinterpret_cast<std::uint16_t*>(reinterpret_cast<std::uintptr_t>(this) + kHeaderBytes);
  }
  Bytes::Handle* rows() const {
    return reinterpret_cast<Bytes::Handle*>(reinterpret_cast<std::uintptr_t>(this) +
                                            RowsAt(capacity));
  }
  std::uint16_t TagOf(Token token) const {
    return static_cast<std::uint16_t>((token.high << depth) >> 48);
  }
  void Append(Bytes::Handle row, std::uint16_t tag) {
    rows()[count] = row;
    tags()[count] = tag;
    ++count;
  }
};

RowTable::RowTable() {
  directory_.push_back(NewLeaf(kCapacities[0], /*depth=*/0));
  leaves_ = 1;
  leaf_bytes_ = Leaf::BytesFor(kCapacities[0]);
}

RowTable::~RowTable() {
  for (std::size_t i = 0; i < directory_.size();) {
    Leaf* leaf = directory_[i];
    i += std::size_t{1} << (depth_ - leaf->depth);
    for (std::uint32_t row = 0; row < leaf->count; ++row) Bytes::Drop(leaf->rows()[row]);
    ::operator delete(leaf);
  }
}

RowTable::Leaf* RowTable::NewLeaf(std::uint32_t capacity, std::uint32_t depth) {
  Leaf* leaf = new (::operator new(Leaf::BytesFor(capacity))) Leaf{0, capacity, depth};
  std::fill_n(leaf->tags(), capacity, kNoTag);
  return leaf;
}

void RowTable::Free(Leaf* leaf) {
  leaf_bytes_ -= Leaf::BytesFor(leaf->capacity);
  --leaves_;
  ::operator delete(leaf);
}

// Of the rows whose tag is not below `tag`: as many as there are tags below. Counts these, eight at
// a time, which beats halving: that waits for each tag to know the next. A leaf that could not
// split has too many for that, and for the lanes of the sum.
std::uint32_t RowTable::FirstWithTag(const Leaf& leaf, std::uint16_t tag) {
  typedef std::uint16_t Tags __attribute__((vector_size(16)));
  static_assert(sizeof(Tags) == kTagsAtOnce * sizeof(std::uint16_t));
  const std::uint16_t* const tags = leaf.tags();
  if (leaf.count > kLeafRowsMax) {
    return static_cast<std::uint32_t>(std::lower_bound(tags, tags + leaf.count, tag) - tags);
  }
  const Tags wanted = Tags{} + tag;
  Tags below = {};
  for (std::uint32_t i = 0; i < leaf.count; i += kTagsAtOnce) {
    Tags these;
    std::memcpy(&these, tags + i, sizeof these);
    below -= reinterpret_cast<Tags>(these < wanted);
  }
  std::uint64_t halves[2];
  std::memcpy(halves, &below, sizeof halves);
  // The top lane of the product is the sum of the four lanes.
  return static_cast<std::uint32_t>((halves[0] + halves[1]) * 0x0001'0001'0001'0001 >> 48);
}

void RowTable::Prefetch(std::span<const Token> tokens) const {
  std::array<const Bytes::Handle*, 64> places;
  tokens = tokens.first(std::min(tokens.size(), places.size()));
  for (const Token token : tokens) {
    const char* const leaf = reinterpret_cast<const char*>(directory_[IndexOf(token)]);
    __builtin_prefetch(leaf);
    __builtin_prefetch(leaf + kLine);
  }
  std::size_t count = 0;
  for (const Token token : tokens) {
    const Leaf& leaf = *directory_[IndexOf(token)];
    const std::uint32_t at = FirstWithTag(leaf, leaf.TagOf(token));
    if (at == leaf.count) continue;
    places[count] = leaf.rows() + at;
    __builtin_prefetch(places[count++]);
  }
  for (std::size_t i = 0; i < count; ++i) {
    __builtin_prefetch(*places[i]);
    PrefetchRow(*places[i]);
  }
  for (std::size_t i = 0; i < count; ++i) PrefetchRest(*places[i]);
}

RowTable::Place RowTable::Search(const Leaf& leaf, Token token, std::string_view key) {
  const std::uint16_t tag = leaf.TagOf(token);
  const std::uint16_t* const tags = leaf.tags();
  std::uint32_t at = FirstWithTag(leaf, tag);
  if (at == leaf.count || tags[at] != tag) return {at, false};
  // Usually the one row with this tag is the one; equal tags fall to the full order.
  Bytes::Handle* const rows = leaf.rows();
  PrefetchRow(rows[at]);
  const auto order = Compare(RowView(rows[at]), token, key);
  if (order >= 0) return {at, order == 0};
  const std::uint32_t end =
      static_cast<std::uint32_t>(std::upper_bound(tags + at, tags + leaf.count, tag) - tags);
  const Bytes::Handle* const found = std::partition_point(
      rows + at + 1, rows + end,
      [&](Bytes::Handle row) { return Compare(RowView(row), token, key) < 0; });
  at = static_cast<std::uint32_t>(found - rows);
  return {at, at < end && Compare(RowView(rows[at]), token, key) == 0};
}

std::optional<Row> RowTable::Find(Token token, std::string_view key) const {
  const Leaf& leaf = *directory_[IndexOf(token)];
  const Place place = Search(leaf, token, key);
  if (!place.found) return std::nullopt;
  const Bytes::Handle handle = leaf.rows()[place.at];
  return RowOf(handle, RowView(handle));
}

std::optional<Row> RowTable::Peek(Token token, std::string_view key) const {
  const Leaf& leaf = *directory_[IndexOf(token)];
  const Place place = Search(leaf, token, key);
  if (!place.found) return std::nullopt;
  return BorrowedRowOf(RowView(leaf.rows()[place.at]));
}

Bytes RowTable::Encode(Token token, std::string_view key, const OwnWrites& own,
                       const Record& record) {
  const RecordEncoder encoder(record);
  const auto write = [&](char* out) { encoder.WriteTo(out); };
  if (encoder.bytes() < kSharedRecordMin) return Bytes::Build(encoder.bytes(), write);
  const Bytes block = PackRow(token, key, own, encoder.bytes(), write);
  return block.Slice(block.size() - encoder.bytes(), encoder.bytes());
}

RowTable::PutOutcome RowTable::Put(Token token, std::string_view key, const OwnWrites& own,
                                   const Bytes& record) {
  if (IsPacked(token, key, own, record)) return Put(token, key, Bytes::Share(record.block()));
  const auto write = [&](char* out) { record.view().copy(out, record.size()); };
  return Put(token, key, PackRow(token, key, own, record.size(), write).Detach());
}

// Encoded before the row that it replaces goes: the record may borrow from that.
RowTable::PutOutcome RowTable::Put(Token token, std::string_view key, const OwnWrites& own,
                                   const Record& record) {
  const RecordEncoder encoder(record);
  const auto write = [&](char* out) { encoder.WriteTo(out); };
  return Put(token, key, PackRow(token, key, own, encoder.bytes(), write).Detach());
}

RowTable::PutOutcome RowTable::Put(Token token, std::string_view key, Bytes::Handle handle) {
  GYRE_CHECK(key.size() < kHasOwn);
  const auto bytes = static_cast<std::int64_t>(Bytes::ViewOf(handle).size());

  Leaf* leaf = directory_[IndexOf(token)];
  Place place = Search(*leaf, token, key);
  if (place.found) {
    const Bytes::Handle old = std::exchange(leaf->rows()[place.at], handle);
    const auto old_bytes = static_cast<std::int64_t>(Bytes::ViewOf(old).size());
    Bytes::Drop(old);
    return {false, bytes - old_bytes};
  }
  if (leaf->count == leaf->capacity) {
    leaf = MakeRoom(leaf, token);
    place = Search(*leaf, token, key);
  }
  Bytes::Handle* const rows = leaf->rows();
  std::uint16_t* const tags = leaf->tags();
  const std::uint32_t behind = leaf->count - place.at;
  std::memmove(rows + place.at + 1, rows + place.at, behind * sizeof(*rows));
  std::memmove(tags + place.at + 1, tags + place.at, behind * sizeof(*tags));
  rows[place.at] = handle;
  tags[place.at] = leaf->TagOf(token);
  ++leaf->count;
  ++rows_;
  return {true, bytes};
}

RowTable::RemoveOutcome RowTable::Remove(Token token, std::string_view key) {
  Leaf* const leaf = directory_[IndexOf(token)];
  const Place place = Search(*leaf, token, key);
  if (!place.found) return {};
  Bytes::Handle* const rows = leaf->rows();
  std::uint16_t* const tags = leaf->tags();
  const Bytes::Handle old = rows[place.at];
  const auto bytes = static_cast<std::int64_t>(Bytes::ViewOf(old).size());
  const std::uint32_t behind = leaf->count - place.at - 1;
  std::memmove(rows + place.at, rows + place.at + 1, behind * sizeof(*rows));
  std::memmove(tags + place.at, tags + place.at + 1, behind * sizeof(*tags));
  --leaf->count;
  --rows_;
  tags[leaf->count] = kNoTag;
  // A quarter, and not a half: one row that comes and goes must not change the block each time.
  if (leaf->capacity > kCapacities[0] && leaf->count <= leaf->capacity / 4) {
    Resize(leaf, token, CapacityFor(leaf->count));
  }
  Bytes::Drop(old);
  return {true, -bytes};
}

// Splits or grows the full leaf until the one for `token` has room.
RowTable::Leaf* RowTable::MakeRoom(Leaf* leaf, Token token) {
  while (leaf->count == leaf->capacity) {
    const bool may_split = leaf->capacity >= kLeafRowsMax &&
                           (leaf->depth < depth_ ||
                            (depth_ < kDepthMax &&
                             directory_.size() * 2 <= kDirectoryEntriesPerLeafMax * (leaves_ + 4)));
    if (!may_split) return Resize(leaf, token, CapacityFor(leaf->count + 1));
    Split(leaf, token);
    leaf = directory_[IndexOf(token)];
  }
  return leaf;
}

// The same rows in a block for `capacity` of them. `token` lies in the arc.
RowTable::Leaf* RowTable::Resize(Leaf* leaf, Token token, std::uint32_t capacity) {
  Leaf* other = NewLeaf(capacity, leaf->depth);
  ++leaves_;
  leaf_bytes_ += Leaf::BytesFor(capacity);
  std::memcpy(other->rows(), leaf->rows(), leaf->count * sizeof(Bytes::Handle));
  std::memcpy(other->tags(), leaf->tags(), leaf->count * sizeof(std::uint16_t));
  other->count = leaf->count;
  PointAt(other, token);
  Free(leaf);
  return other;
}

// Two leaves in place of `leaf`, one for each half of its arc. `token` lies in the arc.
void RowTable::Split(Leaf* leaf, Token token) {
  if (leaf->depth == depth_) {
    std::vector<Leaf*> doubled;
    doubled.reserve(directory_.size() * 2);
    for (Leaf* each : directory_) doubled.insert(doubled.end(), 2, each);
    directory_ = std::move(doubled);
    ++depth_;
  }
  const std::uint32_t depth = leaf->depth + 1;
  const std::uint64_t half_bit = std::uint64_t{1} << (64 - depth);
  // Sorted, so the upper half of the arc is the upper part of the rows: the tag's top bit.
  const std::uint32_t lower_count = static_cast<std::uint32_t>(
      std::lower_bound(leaf->tags(), leaf->tags() + leaf->count, 0x8000) - leaf->tags());
  for (int half = 0; half < 2; ++half) {
    const std::uint32_t begin = half == 0 ? 0 : lower_count;
    const std::uint32_t end = half == 0 ? lower_count : leaf->count;
    const std::uint32_t capacity = CapacityFor(end - begin);
    Leaf* part = NewLeaf(capacity, depth);
    ++leaves_;
    leaf_bytes_ += Leaf::BytesFor(capacity);
    for (std::uint32_t row = begin; row < end; ++row) {
      part->Append(leaf->rows()[row], part->TagOf(RowView(leaf->rows()[row]).token()));
    }
    Token in_half = token;
    in_half.high = half == 0 ? token.high & ~half_bit : token.high | half_bit;
    PointAt(part, in_half);
  }
  Free(leaf);
}

// Fills the directory's entries of the arc of `leaf`, which holds `token`.
void RowTable::PointAt(Leaf* leaf, Token token) {
  const std::size_t span = std::size_t{1} << (depth_ - leaf->depth);
  const std::size_t begin = IndexOf(token) & ~(span - 1);
  std::fill_n(directory_.begin() + static_cast<std::ptrdiff_t>(begin), span, leaf);
}

bool RowTable::Scan(const ScanRange& range, std::vector<ScannedRow>& page) const {
  const Token start = range.after ? range.after->token : range.first;
  std::size_t index = IndexOf(start);
  const Leaf* leaf = directory_[index];
  Place place = Search(*leaf, start, range.after ? range.after->key.view() : std::string_view());
  if (range.after && place.found) ++place.at;
  std::size_t bytes = 0;
  while (true) {
    for (; place.at < leaf->count; ++place.at) {
      const Bytes::Handle handle = leaf->rows()[place.at];
      const RowView view(handle);
      const Token token = view.token();
      if (token > range.last) return true;
      if (page.size() >= range.rows_max || (bytes >= range.bytes_max && !page.empty())) {
        return false;
      }
      RowKey key(range.keyspace, token, Bytes::SliceOf(handle, view.key_at(), view.key_size()));
      key.owed_to = range.owed_to;
      page.push_back({std::move(key), RowOf(handle, view)});
      bytes += view.block.size();
    }
    const std::size_t span = std::size_t{1} << (depth_ - leaf->depth);
    index = (index & ~(span - 1)) + span;
    if (index >= directory_.size()) return true;
    leaf = directory_[index];
    place.at = 0;
  }
}

}  // namespace gyre
