// What `top -H`, `perf` and debuggers call a thread.
#pragma once

#include <pthread.h>

#include <string>

namespace gyre {

// Of the calling thread; cut to the 15 bytes that the kernel keeps.
inline void NameThisThread(const std::string& name) {
  ::pthread_setname_np(::pthread_self(), name.substr(0, 15).c_str());
}

}  // namespace gyre
