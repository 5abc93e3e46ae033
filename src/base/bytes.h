// Immutable bytes shared by reference: a value is copied once, where it enters, and then passes
// through coordinator, storage, cache and sockets as slices of one block. The count is atomic, so a
// Bytes may be handed between threads; one Bytes object itself is not for two threads at once.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <utility>

#include "base/check.h"

namespace gyre {

class Bytes {
 public:
  Bytes() = default;
  // Copies `text` into a block of its own. One allocation; none for empty text.
  explicit Bytes(std::string_view text) {
    char* out = Allocate(text.size());
    if (!text.empty()) std::memcpy(out, text.data(), text.size());
  }
  // A block of `size` bytes, filled by `fill(char* out)` before anyone else can see it.
  template <typename Fill>
  static Bytes Build(std::size_t size, Fill&& fill) {
    Bytes bytes;
    char* out = bytes.Allocate(size);
    fill(out);
    return bytes;
  }
  // Bytes that live for the whole program (literals): no block, no count.
  static Bytes Static(std::string_view text) { return Borrow(text); }
  // Bytes that someone else keeps alive for longer than this and all its slices: no block, no
  // count.
  static Bytes Borrow(std::string_view text) {
    Bytes bytes;
    bytes.data_ = text.data();
    bytes.size_ = text.size();
    return bytes;
  }

  Bytes(const Bytes& o) noexcept : block_(o.block_), data_(o.data_), size_(o.size_) {
    if (block_ != nullptr) block_->count.fetch_add(1, std::memory_order_relaxed);
  }
  Bytes(Bytes&& o) noexcept
      : block_(std::exchange(o.block_, nullptr)),
        data_(std::exchange(o.data_, nullptr)),
        size_(std::exchange(o.size_, 0)) {}
  Bytes& operator=(Bytes o) noexcept {
    std::swap(block_, o.block_);
    std::swap(data_, o.data_);
    std::swap(size_, o.size_);
    return *this;
  }
  ~Bytes() { Release(); }

  // A part of the same block; it keeps the whole block alive. REQUIRES: in range.
  Bytes Slice(std::size_t offset, std::size_t size) const {
    GYRE_CHECK(offset <= size_ && size <= size_ - offset);
    Bytes part(*this);
    part.data_ += offset;
    part.size_ = size;
    return part;
  }
  // These bytes in a block of exactly their size, so that a small slice does not pin a large block.
  Bytes Compact() const { return block_bytes() == size_ ? *this : Bytes(view()); }

  std::string_view view() const { return {data_, size_}; }
  const char* data() const { return data_; }
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  std::string ToString() const { return std::string(view()); }
  // Size of the block that this keeps alive, 0 for none.
  std::size_t block_bytes() const { return block_ == nullptr ? 0 : block_->size; }

  // A whole block as one pointer that owns one count: for tables of millions of rows, where the
  // three words of a Bytes are too many. Each handle must be dropped once.
  struct Block {
    std::atomic<std::uint32_t> count;
    std::uint32_t size;
  };
  using Handle = Block*;
  // REQUIRES: these bytes are a whole block, not empty. Leaves them empty.
  Handle Detach() {
    GYRE_CHECK(block_ != nullptr && size_ == block_->size);
    data_ = nullptr;
    size_ = 0;
    return std::exchange(block_, nullptr);
  }
  static void Drop(Handle handle) {
    Bytes last;
    last.block_ = handle;
  }
  // These will be let go soon: fetches the block's count into the processor's caches.
  void PrefetchRelease() const { __builtin_prefetch(block_, 1); }
  // The block that these bytes are part of, which it is theirs to keep; null for none.
  Handle block() const { return block_; }
  // One more owner of the handle's block.
  static Handle Share(Handle handle) {
    handle->count.fetch_add(1, std::memory_order_relaxed);
    return handle;
  }
  static std::string_view ViewOf(Handle handle) { return {DataOf(handle), handle->size}; }
  // A part of the handle's block; the handle keeps its own count. REQUIRES: in range.
  static Bytes SliceOf(Handle handle, std::size_t offset, std::size_t size) {
    GYRE_CHECK(offset <= handle->size && size <= handle->size - offset);
    Bytes part;
    part.block_ = Share(handle);
    part.data_ = DataOf(handle) + offset;
    part.size_ = size;
    return part;
  }

  friend bool operator==(const Bytes& a, const Bytes& b) { return a.view() == b.view(); }
  friend auto operator<=>(const Bytes& a, const Bytes& b) { return a.view() <=> b.view(); }

 private:
  static char* DataOf(Handle handle) { return reinterpret_cast<char*>(handle) + sizeof(Block); }
  char* Allocate(std::size_t size) {
    if (size == 0) return nullptr;
    GYRE_CHECK(size <= UINT32_MAX);
    void* memory = std::allocator<char>().allocate(sizeof(Block) + size);
    block_ = new (memory) Block{1, static_cast<std::uint32_t>(size)};
    char* out = DataOf(block_);
    data_ = out;
    size_ = size;
    return out;
  }
  void Release() {
    if (block_ == nullptr) return;
    // Who holds the only count need not take it down: nobody is there to copy from it.
    if (block_->count.load(std::memory_order_acquire) == 1 ||
        block_->count.fetch_sub(1, std::memory_order_acq_rel) == 1) {
      // Told the size, the allocator need not look it up.
      const std::size_t bytes = sizeof(Block) + block_->size;
      block_->~Block();
      std::allocator<char>().deallocate(reinterpret_cast<char*>(block_), bytes);
    }
  }

  Block* block_ = nullptr;
  const char* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace gyre
