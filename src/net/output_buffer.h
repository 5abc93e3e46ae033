// Bytes to be written, in order: small pieces are copied into one buffer, large values are kept by
// reference and leave through the same gathering write.
// Invariant: memory is bounded by the bytes not yet written (plus what is kept for the next turn),
// also while the buffer never runs empty.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/check.h"
#include "net/grow_buffer.h"

namespace gyre {

class OutputBuffer {
 public:
  static constexpr std::size_t kByReferenceMin = 16 * 1024;
  // Capacity that an empty buffer keeps for its next turn, whatever the last one wrote.
  static constexpr std::size_t kKeptBytesMax = 64 * 1024;

  // `busy_kept_bytes_max`: what it keeps as long as turns fill a good part of it. A block given
  // back costs the next turn a copy at each doubling and fresh pages.
  explicit OutputBuffer(std::size_t busy_kept_bytes_max = kKeptBytesMax)
      : busy_kept_bytes_max_(busy_kept_bytes_max) {}

  void Append(std::string_view bytes) {
    tail_.Append(bytes);
    size_ += bytes.size();
  }
  void Append(char byte) {
    tail_.Append(byte);
    ++size_;
  }
  // Copies a small value, refers to a large one.
  void Append(const Bytes& bytes) {
    if (bytes.size() < kByReferenceMin) return Append(bytes.view());
    SealTail();
    pieces_.push_back(bytes);
    size_ += bytes.size();
  }
  // Takes over all of `other`, which is empty then: large pieces by reference, the rest by copy.
  // REQUIRES: nothing of `other` was consumed.
  void Append(OutputBuffer&& other) {
    GYRE_CHECK(other.first_ == 0 && other.offset_ == 0);
    for (const Bytes& piece : other.pieces_) Append(piece);
    Append(other.tail_.view());
    other.Clear();
  }
  // Room for exactly `size` bytes that the caller fills at once.
  char* Grow(std::size_t size) {
    char* room = tail_.Reserve(size);
    tail_.Commit(size);
    size_ += size;
    return room;
  }
  // Everything not yet written, in bytes.
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

  // For the writer: the next contiguous pieces (at most `pieces_max`), and how many bytes of them
  // went out. REQUIRES: Consume is given at most size().
  std::size_t Peek(std::string_view* pieces, std::size_t pieces_max) const {
    std::size_t count = 0;
    for (std::size_t i = first_; i < pieces_.size() && count < pieces_max; ++i) {
      std::string_view piece = pieces_[i].view();
      if (i == first_) piece.remove_prefix(offset_);
      pieces[count++] = piece;
    }
    if (count < pieces_max && !tail_.empty()) pieces[count++] = tail_.view();
    return count;
  }
  void Consume(std::size_t bytes) {
    GYRE_CHECK(bytes <= size_);
    most_ = std::max(most_, tail_.size());
    size_ -= bytes;
    if (size_ == 0) return Clear();
    while (first_ < pieces_.size() && bytes >= pieces_[first_].size() - offset_) {
      bytes -= pieces_[first_].size() - offset_;
      offset_ = 0;
      pieces_[first_++] = Bytes();
    }
    if (first_ < pieces_.size()) {
      offset_ += bytes;
      DropWrittenPieces();
    } else {
      pieces_.clear();
      first_ = 0;
      tail_.Consume(bytes);
    }
  }
  // Forgets everything not yet written.
  void Clear() {
    size_ = 0;
    first_ = 0;
    offset_ = 0;
    pieces_.clear();
    if (pieces_.capacity() > kKeptPiecesMax) pieces_.shrink_to_fit();
    const bool busy = std::exchange(most_, 0) >= tail_.capacity() / kBusyShare;
    tail_.Clear(busy ? busy_kept_bytes_max_ : kKeptBytesMax);
  }
  // Blocks of its own that it holds now, written or not: for the test of the invariant.
  std::size_t held_bytes() const {
    std::size_t bytes = tail_.capacity() + pieces_.capacity() * sizeof(Bytes);
    for (std::size_t i = first_; i < pieces_.size(); ++i) bytes += pieces_[i].block_bytes();
    return bytes;
  }

 private:
  static constexpr std::size_t kKeptPiecesMax = 64;
  static constexpr std::size_t kBusyShare = 8;  // less than this part used: not busy

  void SealTail() {
    if (tail_.empty()) return;
    pieces_.emplace_back(tail_.view());
    tail_.Clear(kKeptBytesMax);
  }
  // Amortised O(1) a piece: at least half of those moved over are gone.
  void DropWrittenPieces() {
    if (first_ < kKeptPiecesMax || first_ < pieces_.size() / 2) return;
    pieces_.erase(pieces_.begin(), pieces_.begin() + static_cast<std::ptrdiff_t>(first_));
    first_ = 0;
  }

  std::vector<Bytes> pieces_;  // sealed, in order; those before first_ are written
  std::size_t first_ = 0;
  std::size_t offset_ = 0;  // bytes written of pieces_[first_]; 0 if there is none
  GrowBuffer tail_;         // after all pieces
  std::size_t size_ = 0;
  std::size_t most_ = 0;  // that tail_ held since it was empty, as far as Consume has seen
  std::size_t busy_kept_bytes_max_;
};

}  // namespace gyre
