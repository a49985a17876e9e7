// Logs in through the Go connector as the variables of `iam.cloudsql.dev/inject: env` say, and prints who it is.
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
	name, err := sessionUser()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(name)
}

func sessionUser() (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	dialer, err := cloudsqlconn.NewDialer(ctx,
		cloudsqlconn.WithIAMAuthN(), cloudsqlconn.WithLazyRefresh(), cloudsqlconn.WithDefaultDialOptions(address()))
	if err != nil {
		return "", err
	}
	defer dialer.Close()
	config, err := pgx.ParseConfig("host=localhost sslmode=disable")
	if err != nil {
		return "", err
	}
	config.User, config.Database = os.Getenv("DB_IAM_USER"), os.Getenv("DB_NAME")
	config.DialFunc = func(ctx context.Context, _, _ string) (net.Conn, error) {
		return dialer.Dial(ctx, os.Getenv("INSTANCE_CONNECTION_NAME"))
	}
	connection, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return "", err
	}
	defer connection.Close(ctx)
	var name string
	err = connection.QueryRow(ctx, "SELECT session_user").Scan(&name)
	return name, err
}

func address() cloudsqlconn.DialOption {
	switch os.Getenv("DB_IP_TYPE") {
	case "private":
		return cloudsqlconn.WithPrivateIP()
	case "psc":
		return cloudsqlconn.WithPSC()
	case "auto":
		return cloudsqlconn.WithAutoIP()
	default:
		return cloudsqlconn.WithPublicIP()
	}
}
