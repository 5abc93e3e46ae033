#include "storage/leaf_log.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "base/check.h"

namespace gyre {
namespace {

// Bytes of blocks written for each byte of log. More would shorten the log, which only an open
// reads, and cost every group.
constexpr std::size_t kBlockPace = 1;
// So far back a delta looks for one of its leaf: keyspaces share the order of the ring.
constexpr std::size_t kJoinDepth = 4;

std::string_view View(const rocksdb::Slice& slice) { return {slice.data(), slice.size()}; }

}  // namespace

LeafLog::LeafLog(int leaf_bits) : leaf_bits_(leaf_bits), credit_(LeafBlockBytes(kLeavesPerBlock)) {
  GYRE_CHECK(leaf_bits >= 1 && leaf_bits <= kLeafBitsMax);
}

LeafLog::Block& LeafLog::BlockOf(KeyspaceId keyspace, std::uint32_t leaf) {
  if (last_ == nullptr || last_id_ != keyspace) {
    last_ = &keyspaces_[keyspace];
    last_id_ = keyspace;
    if (last_->empty()) last_->resize((((std::size_t{1} << leaf_bits_) - 1) >> kLeafBlockBits) + 1);
  }
  const std::uint32_t number = leaf >> kLeafBlockBits;
  std::unique_ptr<Block>& block = (*last_)[number];
  if (block == nullptr) block = std::make_unique<Block>(LeafBlockId{keyspace, number});
  return *block;
}

Status LeafLog::Load(rocksdb::Iterator& all, const std::optional<std::string>& note) {
  for (all.SeekToFirst(); all.Valid(); all.Next()) {
    const std::string_view key = View(all.key());
    const bool is_block = key.starts_with(kLeafBlockKind);
    const Status loaded =
        is_block ? LoadBlock(key, View(all.value())) : LoadEntry(key, View(all.value()));
    if (!loaded) return loaded;
  }
  // Damage ends the iteration just as the end does.
  if (all.status().IsCorruption()) return Fail(ErrorCode::kCorruption, all.status().ToString());
  if (!all.status().ok()) return Fail(ErrorCode::kIoError, all.status().ToString());
  if (note) {
    const std::size_t key_bytes = std::min(note->size(), kLeafKeyBytes);
    Entry entry{note->substr(0, key_bytes), note->substr(key_bytes)};
    const Result<std::uint64_t> sequence = DecodeLeafEntryKey(entry.key);
    if (!sequence) return Fail(sequence.error());
    // Whatever was written after the note came with its entry, or behind it.
    if (*sequence > sequence_) {
      if (Status loaded = LoadEntry(entry.key, entry.bytes); !loaded) return loaded;
      owed_ = std::move(entry);
    }
  }
  committed_ = sequence_;
  return {};
}

Status LeafLog::LoadBlock(std::string_view key, std::string_view bytes) {
  const Result<LeafBlockId> id = DecodeLeafBlockKey(key);
  if (!id) return Fail(id.error());
  const Result<LeafBlock> stored = DecodeLeafBlock(key, bytes);
  if (!stored) return Fail(stored.error());
  if (std::uint64_t{id->number} << kLeafBlockBits >> leaf_bits_ != 0) {
    return Fail(ErrorCode::kCorruption, "a stored block of leaf sums lies beyond the last leaf");
  }
  Block& block = BlockOf(id->keyspace, id->number << kLeafBlockBits);
  block.sums = stored->sums;
  block.upto = stored->upto;
  block.nonzero = static_cast<std::uint32_t>(
      kLeavesPerBlock - std::count(block.sums.begin(), block.sums.end(), std::uint64_t{0}));
  sequence_ = std::max(sequence_, stored->upto);
  return {};
}

Status LeafLog::LoadEntry(std::string_view key, std::string_view bytes) {
  const Result<std::uint64_t> sequence = DecodeLeafEntryKey(key);
  if (!sequence) return Fail(sequence.error());
  const auto deltas = DecodeLeafEntry(key, bytes);
  if (!deltas) return Fail(deltas.error());
  if (*sequence == 0) return Fail(ErrorCode::kCorruption, "a stored log of leaf sums begins at 0");
  if (deleted_below_ == 0) deleted_below_ = *sequence;
  for (const LeafDelta& each : *deltas) {
    if (std::uint64_t{each.leaf} >> leaf_bits_ != 0) {
      return Fail(ErrorCode::kCorruption, "a stored delta of a leaf lies beyond the last leaf");
    }
    Block& block = BlockOf(each.keyspace, each.leaf);
    if (*sequence > block.upto) Apply(block, each, *sequence);
  }
  sequence_ = std::max(sequence_, *sequence);
  return {};
}

std::vector<LeafSum> LeafLog::Sums() const {
  std::vector<LeafSum> sums;
  for (const auto& [keyspace, blocks] : keyspaces_) {
    for (const std::unique_ptr<Block>& block : blocks) {
      if (block == nullptr || block->nonzero == 0) continue;
      for (std::uint32_t i = 0; i < kLeavesPerBlock; ++i) {
        if (block->sums[i] == 0) continue;
        sums.push_back({keyspace, (block->id.number << kLeafBlockBits) + i, block->sums[i]});
      }
    }
  }
  return sums;
}

void LeafLog::Add(KeyspaceId keyspace, Token token, std::uint64_t delta) {
  if (delta == 0) return;
  const auto leaf = static_cast<std::uint32_t>(token.high >> (64 - leaf_bits_));
  const std::size_t back = std::min(kJoinDepth, deltas_.size());
  for (std::size_t i = deltas_.size(); i-- > deltas_.size() - back;) {
    if (deltas_[i].leaf != leaf) break;
    if (deltas_[i].keyspace == keyspace) {
      deltas_[i].delta += delta;
      return;
    }
  }
  deltas_.push_back({keyspace, leaf, delta});
}

LeafLog::Entry LeafLog::NumberEntry() {
  ++sequence_;
  Entry entry{EncodeLeafEntryKey(sequence_), {}};
  EncodeLeafEntry(entry.key, deltas_, entry.bytes);
  return entry;
}

std::optional<std::string> LeafLog::AppendAside() {
  GYRE_CHECK(!owed_);
  if (deltas_.empty()) return std::nullopt;
  aside_ = NumberEntry();
  return aside_->key + aside_->bytes;
}

void LeafLog::AppendTo(rocksdb::WriteBatch& batch, rocksdb::ColumnFamilyHandle* family) {
  blocks_written_ = 0;
  credit_after_ = credit_;
  delete_below_ = deleted_below_;
  const auto append = [&](const Entry& entry) {
    batch.Put(family, entry.key, entry.bytes);
    credit_after_ += kBlockPace * (entry.key.size() + entry.bytes.size());
  };
  owed_written_ = owed_.has_value();
  if (owed_) append(*owed_);
  if (!deltas_.empty()) append(NumberEntry());
  if (deltas_.empty() && !owed_) return;

  // Blocks as they are without this group, which is why it need not be known yet if it succeeds.
  for (; blocks_written_ < queue_.size(); ++blocks_written_) {
    const Block& block = *queue_[blocks_written_];
    if (credit_after_ < block.charge()) break;
    credit_after_ -= block.charge();
    const std::string block_key = EncodeLeafBlockKey(block.id);
    EncodeLeafBlock(block_key, committed_, block.sums, block.nonzero, block_bytes_);
    batch.Put(family, block_key, block_bytes_);
  }
  if (blocks_written_ == 0) return;
  const bool all = blocks_written_ == queue_.size();
  if (all) credit_after_ = 0;  // nothing to spend it on; it must not be spent all at once later
  delete_below_ = all ? sequence_ : queue_[blocks_written_]->first_missing;
  // Ranges that do not overlap, so that no number of them is looked through for one place.
  if (delete_below_ > deleted_below_) {
    batch.DeleteRange(family, EncodeLeafEntryKey(deleted_below_),
                      EncodeLeafEntryKey(delete_below_));
  }
}

void LeafLog::Committed() {
  if (aside_) {
    owed_ = std::exchange(aside_, std::nullopt);
    return ApplyGroup();
  }
  if (std::exchange(owed_written_, false)) owed_.reset();
  for (; blocks_written_ > 0; --blocks_written_) {
    queue_.front()->first_missing = 0;
    queue_.pop_front();
  }
  credit_ = credit_after_;
  deleted_below_ = delete_below_;
  ApplyGroup();
}

void LeafLog::ApplyGroup() {
  if (deltas_.empty()) return;
  for (const LeafDelta& each : deltas_) {
    Apply(BlockOf(each.keyspace, each.leaf), each, sequence_);
  }
  deltas_.clear();
  committed_ = sequence_;
}

// The number is not used again: should the log of the database hold the batch after all, none of a
// later one is taken for it.
void LeafLog::Failed() {
  deltas_.clear();
  aside_.reset();
  owed_written_ = false;
  blocks_written_ = 0;
}

void LeafLog::AppendAll(rocksdb::WriteBatch& batch, rocksdb::ColumnFamilyHandle* family) {
  GYRE_CHECK(deltas_.empty());
  for (const auto& [keyspace, blocks] : keyspaces_) {
    for (const std::unique_ptr<Block>& block : blocks) {
      if (block == nullptr) continue;
      const std::string key = EncodeLeafBlockKey(block->id);
      EncodeLeafBlock(key, committed_, block->sums, block->nonzero, block_bytes_);
      batch.Put(family, key, block_bytes_);
      block->first_missing = 0;
    }
  }
  queue_.clear();
  owed_.reset();
  deleted_below_ = sequence_ + 1;
}

void LeafLog::Apply(Block& block, const LeafDelta& delta, std::uint64_t sequence) {
  std::uint64_t& sum = block.sums[delta.leaf & (kLeavesPerBlock - 1)];
  block.nonzero -= sum != 0 ? 1 : 0;
  sum += delta.delta;
  block.nonzero += sum != 0 ? 1 : 0;
  if (block.first_missing != 0) return;
  block.first_missing = sequence;
  queue_.push_back(&block);
}

}  // namespace gyre
