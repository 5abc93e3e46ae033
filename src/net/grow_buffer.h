// Bytes that grow at the end and are taken from the front: what waits to be written or parsed.
// Appending costs amortised O(1) a byte, and new room is never zeroed. Memory follows the bytes
// held: what was taken from the front is used again before the buffer grows, so the capacity stays
// below about three times the most bytes ever held at once, however long it never runs empty.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <utility>

#include "base/check.h"

namespace gyre {

class GrowBuffer {
 public:
  GrowBuffer() = default;
  GrowBuffer(GrowBuffer&& o) noexcept { Swap(o); }
  GrowBuffer& operator=(GrowBuffer&& o) noexcept {
    GrowBuffer taken(std::move(o));
    Swap(taken);
    return *this;
  }
  GrowBuffer(const GrowBuffer&) = delete;
  GrowBuffer& operator=(const GrowBuffer&) = delete;
  ~GrowBuffer() { std::free(data_); }

  std::string_view view() const { return {data_ + begin_, end_ - begin_}; }
  std::size_t size() const { return end_ - begin_; }
  bool empty() const { return begin_ == end_; }
  std::size_t capacity() const { return capacity_; }

  // Free room after the end, without growing.
  char* spare() { return data_ + end_; }
  std::size_t spare_bytes() const { return capacity_ - end_; }

  // Room for `bytes` more, after the end; Commit says how many were filled.
  char* Reserve(std::size_t bytes) {
    if (capacity_ - end_ < bytes) MakeRoom(bytes);
    return data_ + end_;
  }
  // REQUIRES: bytes <= spare_bytes().
  void Commit(std::size_t bytes) { end_ += bytes; }

  void Append(std::string_view bytes) {
    if (bytes.empty()) return;
    std::memcpy(Reserve(bytes.size()), bytes.data(), bytes.size());
    end_ += bytes.size();
  }
  void Append(char byte) {
    *Reserve(1) = byte;
    ++end_;
  }
  // REQUIRES: bytes <= size().
  void Consume(std::size_t bytes) {
    GYRE_CHECK(bytes <= size());
    begin_ += bytes;
    if (begin_ == end_) begin_ = end_ = 0;
  }
  // Empties it; a block larger than `kept_bytes_max` is given back.
  void Clear(std::size_t kept_bytes_max) {
    begin_ = end_ = 0;
    if (capacity_ <= kept_bytes_max) return;
    std::free(std::exchange(data_, nullptr));
    capacity_ = 0;
  }

 private:
  static constexpr std::size_t kFirstBytes = 512;

  // Moves the live bytes to the front only when as much was taken as is left (so each byte moves
  // O(1) times), else takes a block of twice what is held.
  void MakeRoom(std::size_t bytes) {
    const std::size_t held = size();
    if (begin_ >= held && capacity_ - held >= bytes) {
      if (held > 0) std::memmove(data_, data_ + begin_, held);
    } else {
      std::size_t wanted = held + (bytes > held ? bytes : held);
      if (wanted < kFirstBytes) wanted = kFirstBytes;
      if (begin_ == 0) {
        data_ = Checked(std::realloc(data_, wanted));  // large blocks are remapped, not copied
      } else {
        char* grown = Checked(std::malloc(wanted));
        std::memcpy(grown, data_ + begin_, held);
        std::free(data_);
        data_ = grown;
      }
      capacity_ = wanted;
    }
    begin_ = 0;
    end_ = held;
  }
  static char* Checked(void* block) {
    GYRE_CHECK(block != nullptr);
    return static_cast<char*>(block);
  }
  void Swap(GrowBuffer& o) noexcept {
    std::swap(data_, o.data_);
    std::swap(begin_, o.begin_);
    std::swap(end_, o.end_);
    std::swap(capacity_, o.capacity_);
  }

  char* data_ = nullptr;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::size_t capacity_ = 0;
};

}  // namespace gyre
