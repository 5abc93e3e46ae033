// A byte stream as a front end sees it: bytes in, output gathered for the end of the loop turn.
// Nothing here knows of sockets; reactor.h provides the real ones, tests a fake.
#pragma once

#include <cstddef>
#include <memory>
#include <string_view>

#include "base/bytes.h"
#include "base/time.h"
#include "net/output_buffer.h"
#include "net/stream_filter.h"

namespace gyre {

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
  // More output waits than the peer reads: a handler should stop consuming what makes more of it
  // and return. The rest of its input is presented again when the output has drained.
  virtual bool OutputFull() const { return false; }
  // Within OnBytes: the first so many bytes from the start of what is presented had come more than
  // `age` ago, as far as that is known (net/input_age.h). Ages up to 3 s. May be more than are
  // presented.
  virtual std::size_t BytesOlderThan(Duration /*age*/) const { return 0; }
  // From the first byte on, through it. REQUIRES: nothing was sent or received; there is none yet.
  virtual void SetFilter(std::unique_ptr<StreamFilter> /*filter*/) {}
  virtual const StreamFilter* filter() const { return nullptr; }
  // Somebody is, or was, at the other end: a dial that has not come to nothing.
  virtual bool reached() const { return true; }
  // In OnClosed: why, as half a sentence for a log ("connection reset by peer"). Empty if in order.
  virtual std::string_view close_reason() const { return {}; }
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
