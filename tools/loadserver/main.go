// A small, fast HTTP server for measuring load generators: it answers every request with two bytes.
//
//	loadserver -listen 127.0.0.1:18999 -freeze-after 8s -freeze-for 3s
//
// With -freeze-for it stops answering for that long, counted from the first request after the start or after a
// request of /reset. Requests that arrive meanwhile are answered when the freeze is over.
package main

import (
	"flag"
	"log"
	"net/http"
	"sync/atomic"
	"time"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:18999", "address to listen on")
	after := flag.Duration("freeze-after", 0, "time from the first request to the freeze")
	length := flag.Duration("freeze-for", 0, "length of the freeze; 0 for none")
	flag.Parse()

	var first atomic.Int64
	body := []byte("ok")
	answer := func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/reset" {
			first.Store(0)
			_, _ = w.Write(body)
			return
		}
		if *length > 0 {
			now := time.Now()
			first.CompareAndSwap(0, now.UnixNano())
			begin := time.Unix(0, first.Load()).Add(*after)
			if end := begin.Add(*length); !now.Before(begin) && now.Before(end) {
				time.Sleep(time.Until(end))
			}
		}
		_, _ = w.Write(body)
	}
	log.Fatal((&http.Server{Addr: *listen, Handler: http.HandlerFunc(answer)}).ListenAndServe())
}
