// A byte stream as a front end sees it: bytes in, output gathered for the end of the loop turn.
// Nothing here knows of sockets; reactor.h provides the real ones, tests a fake.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace gyre {

// Bytes to be written, in order: small pieces are copied into one buffer, large values are kept by
// reference and leave through the same gathering write.
class OutputBuffer {
 public:
  static constexpr std::size_t kByReferenceMin = 16 * 1024;

  void Append(std::string_view bytes) {
    tail_.append(bytes);
    size_ += bytes.size();
  }
  void Append(char byte) {
    tail_.push_back(byte);
    ++size_;
  }
  // Copies a small value, refers to a large one.
  void Append(const Bytes& bytes) {
    if (bytes.size() < kByReferenceMin) return Append(bytes.view());
    SealTail();
    pieces_.push_back(bytes);
    size_ += bytes.size();
  }
  // Room for exactly `size` bytes that the caller fills at once.
  char* Grow(std::size_t size) {
    const std::size_t at = tail_.size();
    tail_.resize(at + size);
    size_ += size;
    return tail_.data() + at;
  }
  // Everything not yet written, in bytes.
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

  // For the writer: the next contiguous pieces (at most `pieces_max`), and how many bytes of them
  // went out.
  std::size_t Peek(std::string_view* pieces, std::size_t pieces_max) const {
    std::size_t count = 0;
    for (std::size_t i = first_; i < pieces_.size() && count < pieces_max; ++i) {
      std::string_view piece = pieces_[i].view();
      if (i == first_) piece.remove_prefix(offset_);
      pieces[count++] = piece;
    }
    if (count < pieces_max && !tail_.empty()) {
      std::string_view piece = tail_;
      if (first_ == pieces_.size()) piece.remove_prefix(offset_);
      if (!piece.empty()) pieces[count++] = piece;
    }
    return count;
  }
  void Consume(std::size_t bytes) {
    size_ -= bytes;
    while (first_ < pieces_.size() && bytes >= pieces_[first_].size() - offset_) {
      bytes -= pieces_[first_].size() - offset_;
      offset_ = 0;
      pieces_[first_++] = Bytes();
    }
    offset_ += bytes;
    if (size_ == 0) {
      pieces_.clear();
      first_ = 0;
      offset_ = 0;
      tail_.clear();
      if (tail_.capacity() > kKeptCapacityMax) tail_.shrink_to_fit();
    }
  }

 private:
  static constexpr std::size_t kKeptCapacityMax = 256 * 1024;
  void SealTail() {
    if (tail_.empty()) return;
    // If the tail itself is partly written, offset_ goes on to count within the sealed piece.
    pieces_.emplace_back(std::string_view(tail_));
    tail_.clear();
  }
  std::vector<Bytes> pieces_;  // sealed, in order; those before first_ are written
  std::size_t first_ = 0;
  std::size_t offset_ = 0;     // bytes written of pieces_[first_], or of tail_ if there is none
  std::string tail_;
  std::size_t size_ = 0;
};

// What a front end may do with its connection. All calls on the connection's own loop.
class Connection {
 public:
  virtual ~Connection() = default;
  // Appending is all: what is there at the end of the loop turn is written then.
  virtual OutputBuffer& out() = 0;
  // Marks that out() has something new, from outside OnBytes (an answer that came later).
  virtual void ScheduleFlush() = 0;
  // No more input is wanted; the connection closes once the output is written.
  virtual void CloseAfterFlush() = 0;
  // Back-pressure: stop and go on calling OnBytes. Resume presents what is buffered, later in the
  // same turn or in the next, never from within the call.
  virtual void PauseReading() = 0;
  virtual void ResumeReading() = 0;
  virtual std::string_view peer_address() const = 0;  // "127.0.0.1:5555"
  virtual int fd() const = 0;                         // for CLIENT LIST and logs only
};

// Implemented by the front ends; owned by the connection, destroyed with it.
class ConnectionHandler {
 public:
  virtual ~ConnectionHandler() = default;
  // `bytes` is everything received and not consumed so far. Returns how many were consumed; the
  // rest is presented again, longer, when more has come.
  virtual std::size_t OnBytes(std::string_view bytes) = 0;
  // The peer is gone or CloseAfterFlush is done. The handler is destroyed once pending() is 0, so
  // answers that are still to come find it alive.
  virtual void OnClosed() = 0;
  virtual std::size_t pending() const = 0;
};

}  // namespace gyre
