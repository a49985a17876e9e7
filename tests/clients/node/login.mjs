// Logs in through the Node connector by automatic IAM authentication and prints who it is: CONNECTION_NAME USER DATABASE.
import { AuthTypes, Connector, IpAddressTypes } from "@google-cloud/cloud-sql-connector";
import pg from "pg";

const [instanceConnectionName, user, database] = process.argv.slice(2);
const connector = new Connector();
try {
  const options = await connector.getOptions({
    instanceConnectionName,
    ipType: IpAddressTypes.PUBLIC,
    authType: AuthTypes.IAM,
  });
  const client = new pg.Client({ ...options, user, database });
  await client.connect();
  const { rows } = await client.query("SELECT session_user::text AS name");
  console.log(rows[0].name);
  await client.end();
} catch (error) {
  console.error(String(error.message ?? error));
  process.exitCode = 1;
} finally {
  connector.close();
}
