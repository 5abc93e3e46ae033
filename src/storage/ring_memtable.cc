#include "storage/ring_memtable.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstdint>
#include <cstring>
#include <new>
#include <optional>

namespace rocksdb {

// Its header is not installed, and an iterator must lie in one: of the class, what is called.
class Arena {
 public:
  char* AllocateAligned(std::size_t bytes, std::size_t huge_page_size, Logger* logger);
};

}  // namespace rocksdb

namespace gyre {
namespace {

constexpr int kHeightMax = 12;            // 4^12 rows; a memtable holds tens of thousands
constexpr std::size_t kTrailerBytes = 8;  // of an internal key: sequence number and type

// The first 16 bytes of a key, in its order. Shorter ones are filled up with zeros.
struct Prefix {
  std::uint64_t high = 0;
  std::uint64_t low = 0;
  friend auto operator<=>(const Prefix&, const Prefix&) = default;
};

Prefix PrefixOf(const rocksdb::Slice& internal_key) {
  std::uint64_t words[2] = {0, 0};
  std::memcpy(words, internal_key.data(),
              std::min(internal_key.size() - kTrailerBytes, sizeof words));
  static_assert(std::endian::native == std::endian::little);
  return {__builtin_bswap64(words[0]), __builtin_bswap64(words[1])};
}

// Followed by its links, one for each level, and then by its entry: key and value as RocksDB
// writes them.
struct Node {
  using Link = std::atomic<Node*>;

  Prefix prefix;
  std::uint32_t height;

  static std::size_t Bytes(int height) {
    return sizeof(Node) + static_cast<std::size_t>(height) * sizeof(Link);
  }
  Link& link(int level) { return reinterpret_cast<Link*>(this + 1)[level]; }
  Node* Next(int level) { return link(level).load(std::memory_order_acquire); }
  char* entry() { return reinterpret_cast<char*>(this) + Bytes(static_cast<int>(height)); }
};

class RingMemtable final : public rocksdb::MemTableRep {
 public:
  RingMemtable(const KeyComparator& compare, rocksdb::Allocator* allocator)
      : MemTableRep(allocator), compare_(compare) {
    char* unused = nullptr;
    head_ = NewNode(kHeightMax, 0, &unused);
    last_.fill(head_);
  }

  rocksdb::KeyHandle Allocate(std::size_t entry_bytes, char** entry) override {
    return NewNode(DrawHeight(), entry_bytes, entry);
  }
  void Insert(rocksdb::KeyHandle handle) override;
  bool Contains(const char* entry) const override {
    const rocksdb::Slice key = compare_.decode_key(entry);
    Node* const found = FirstNotBefore({PrefixOf(key), key});
    return found != nullptr && compare_(found->entry(), key) == 0;
  }
  std::size_t ApproximateMemoryUsage() override { return 0; }  // all of it is the allocator's
  rocksdb::MemTableRep::Iterator* GetIterator(rocksdb::Arena* arena) override;
  rocksdb::MemTableRep::Iterator* GetDynamicPrefixIterator(rocksdb::Arena* arena) override;

 private:
  class Iterator;

  struct Target {
    Prefix prefix;
    rocksdb::Slice internal_key;
  };
  // Where a target belongs: neighbours at one moment, `before` before it and `next` not.
  struct Gap {
    Node* before;
    Node* next;
  };

  Node* NewNode(int height, std::size_t entry_bytes, char** entry);
  int DrawHeight();
  bool IsBefore(Node* node, const Target& target) const {
    if (node->prefix != target.prefix) return node->prefix < target.prefix;
    return compare_(node->entry(), target.internal_key) < 0;
  }
  // The head, if nothing is before the target.
  Node* LastBefore(const Target& target) const { return GapOf(target).before; }
  // Null, if everything is. Not LastBefore()->Next(0): that may have been inserted meanwhile, and
  // be before the target.
  Node* FirstNotBefore(const Target& target) const { return GapOf(target).next; }
  Gap GapOf(const Target& target, Node* from, int level) const;
  Gap GapOf(const Target& target) const;
  Node* Last() const;

  const KeyComparator& compare_;
  Node* head_;
  std::atomic<int> height_{1};  // of the highest node; may be read late
  // Of the inserting thread: on each level the last node before the end of the last insert, where
  // the next one begins to search. Inserts come in the order of the ring (commit_thread.h).
  std::array<Node*, kHeightMax> last_;
  std::uint64_t random_ = 0x9E3779B97F4A7C15u;  // the same heights in each run
};

Node* RingMemtable::NewNode(int height, std::size_t entry_bytes, char** entry) {
  char* memory = nullptr;
  MemTableRep::Allocate(Node::Bytes(height) + entry_bytes + alignof(Node) - 1, &memory);
  const auto address = reinterpret_cast<std::uintptr_t>(memory);
  memory += (alignof(Node) - address % alignof(Node)) % alignof(Node);
  Node* const node = new (memory) Node{{}, static_cast<std::uint32_t>(height)};
  for (int level = 0; level < height; ++level) new (&node->link(level)) Node::Link(nullptr);
  *entry = node->entry();
  return node;
}

// A node reaches each further level with one chance in four.
int RingMemtable::DrawHeight() {
  random_ ^= random_ << 13;
  random_ ^= random_ >> 7;
  random_ ^= random_ << 17;
  const int zeros = std::countr_zero(random_ | (std::uint64_t{1} << 63));
  return std::min(1 + zeros / 2, kHeightMax);
}

void RingMemtable::Insert(rocksdb::KeyHandle handle) {
  Node* const node = static_cast<Node*>(handle);
  const Target target = [&] {
    const rocksdb::Slice key = compare_.decode_key(node->entry());
    return Target{PrefixOf(key), key};
  }();
  node->prefix = target.prefix;
  const int node_height = static_cast<int>(node->height);
  const int height = std::max(height_.load(std::memory_order_relaxed), node_height);

  // Up, past every level where what came next is still before the target, then down. On the levels
  // above, nothing lies between the end of the last insert and the target.
  int level = 0;
  if (last_[0] != head_ && !IsBefore(last_[0], target)) {
    last_.fill(head_);
    level = height;
  }
  while (level < height) {
    Node* const next = last_[static_cast<std::size_t>(level)]->Next(level);
    if (next == nullptr || !IsBefore(next, target)) break;
    ++level;
  }
  Node* before = level == 0 ? nullptr : last_[static_cast<std::size_t>(level - 1)];
  while (--level >= 0) {
    before = GapOf(target, before, level).before;
    last_[static_cast<std::size_t>(level)] = before;
  }
  for (int up = 0; up < node_height; ++up) {
    Node* const left = last_[static_cast<std::size_t>(up)];
    node->link(up).store(left->link(up).load(std::memory_order_relaxed), std::memory_order_relaxed);
    left->link(up).store(node, std::memory_order_release);
    last_[static_cast<std::size_t>(up)] = node;
  }
  height_.store(height, std::memory_order_relaxed);
}

RingMemtable::Gap RingMemtable::GapOf(const Target& target) const {
  Gap gap = {head_, nullptr};
  for (int level = height_.load(std::memory_order_relaxed) - 1; level >= 0; --level) {
    gap = GapOf(target, gap.before, level);
  }
  return gap;
}

// On one level, from a node that is before the target.
RingMemtable::Gap RingMemtable::GapOf(const Target& target, Node* from, int level) const {
  while (true) {
    Node* const next = from->Next(level);
    if (next == nullptr || !IsBefore(next, target)) return {from, next};
    from = next;
  }
}

// The head, if there is none.
Node* RingMemtable::Last() const {
  Node* last = head_;
  for (int level = height_.load(std::memory_order_relaxed) - 1; level >= 0; --level) {
    while (Node* const next = last->Next(level)) last = next;
  }
  return last;
}

class RingMemtable::Iterator final : public rocksdb::MemTableRep::Iterator {
 public:
  explicit Iterator(const RingMemtable& table) : table_(&table) {}

  bool Valid() const override { return node_ != nullptr; }
  const char* key() const override { return node_->entry(); }
  void Next() override { node_ = node_->Next(0); }
  void Prev() override {
    const rocksdb::Slice key = table_->compare_.decode_key(node_->entry());
    SetUnlessHead(table_->LastBefore({node_->prefix, key}));
  }
  void Seek(const rocksdb::Slice& internal_key, const char* /*entry*/) override {
    node_ = table_->FirstNotBefore({PrefixOf(internal_key), internal_key});
  }
  void SeekForPrev(const rocksdb::Slice& internal_key, const char* /*entry*/) override {
    const Gap gap = table_->GapOf({PrefixOf(internal_key), internal_key});
    if (gap.next != nullptr && table_->compare_(gap.next->entry(), internal_key) == 0) {
      node_ = gap.next;
    } else {
      SetUnlessHead(gap.before);
    }
  }
  void SeekToFirst() override { node_ = table_->head_->Next(0); }
  void SeekToLast() override { SetUnlessHead(table_->Last()); }

 private:
  void SetUnlessHead(Node* node) { node_ = node == table_->head_ ? nullptr : node; }

  const RingMemtable* table_;
  Node* node_ = nullptr;
};

rocksdb::MemTableRep::Iterator* RingMemtable::GetIterator(rocksdb::Arena* arena) {
  if (arena == nullptr) return new Iterator(*this);
  return new (arena->AllocateAligned(sizeof(Iterator), 0, nullptr)) Iterator(*this);
}

// RocksDB's Get takes its iterator here, without an arena, and never gives it back: a leak for each
// read in 7.8. Nobody else asks without an arena.
rocksdb::MemTableRep::Iterator* RingMemtable::GetDynamicPrefixIterator(rocksdb::Arena* arena) {
  if (arena != nullptr) return GetIterator(arena);
  thread_local std::optional<Iterator> own;
  return &own.emplace(*this);
}

class RingMemtableFactory final : public rocksdb::MemTableRepFactory {
 public:
  using MemTableRepFactory::CreateMemTableRep;
  rocksdb::MemTableRep* CreateMemTableRep(const rocksdb::MemTableRep::KeyComparator& compare,
                                          rocksdb::Allocator* allocator,
                                          const rocksdb::SliceTransform* /*prefix*/,
                                          rocksdb::Logger* /*logger*/) override {
    return new RingMemtable(compare, allocator);
  }
  const char* Name() const override { return "gyre.RingMemtable"; }
};

}  // namespace

std::shared_ptr<rocksdb::MemTableRepFactory> MakeRingMemtableFactory() {
  return std::make_shared<RingMemtableFactory>();
}

}  // namespace gyre
