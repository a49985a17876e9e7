// Logs in through the Go connector by automatic IAM authentication and prints who it is: CONNECTION_NAME USER DATABASE.
package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"time"

	"cloud.google.com/go/cloudsqlconn"
	"github.com/jackc/pgx/v5"
)

func main() {
	name, err := sessionUser(os.Args[1], os.Args[2], os.Args[3])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(name)
}

func sessionUser(instance, user, database string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	dialer, err := cloudsqlconn.NewDialer(ctx, cloudsqlconn.WithIAMAuthN(), cloudsqlconn.WithLazyRefresh())
	if err != nil {
		return "", err
	}
	defer dialer.Close()
	config, err := pgx.ParseConfig("host=localhost sslmode=disable")
	if err != nil {
		return "", err
	}
	config.User, config.Database = user, database
	config.DialFunc = func(ctx context.Context, _, _ string) (net.Conn, error) { return dialer.Dial(ctx, instance) }
	connection, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return "", err
	}
	defer connection.Close(ctx)
	var name string
	err = connection.QueryRow(ctx, "SELECT session_user").Scan(&name)
	return name, err
}
