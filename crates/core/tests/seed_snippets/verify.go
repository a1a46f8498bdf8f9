// A receiver as AetherFlow's Go sample means it: HMAC-SHA256 of the raw body, hex, compared in constant time.
//
// Reads a JSON array of cases from standard input and prints one verdict per line.
package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log"
	"os"
)

type received struct {
	Header  string            `json:"header"`
	Headers map[string]string `json:"headers"`
	Secret  string            `json:"secret"`
	Body    []byte            `json:"body"` // base64 in JSON
}

func (r received) isSigned() bool {
	mac := hmac.New(sha256.New, []byte(r.Secret))
	mac.Write(r.Body)
	claimed, err := hex.DecodeString(r.Headers[r.Header])
	return err == nil && hmac.Equal(mac.Sum(nil), claimed)
}

func main() {
	var all []received
	if err := json.NewDecoder(os.Stdin).Decode(&all); err != nil {
		log.Fatal(err)
	}
	for _, one := range all {
		if one.isSigned() {
			fmt.Println("accepted")
		} else {
			fmt.Println("refused")
		}
	}
}
