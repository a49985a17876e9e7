// Logs in through the Java connector by automatic IAM authentication and prints who it is: CONNECTION_NAME USER DATABASE.
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.util.Properties;

public class Login {
  public static void main(String[] arguments) {
    Properties how = new Properties();
    how.setProperty("socketFactory", "com.google.cloud.sql.postgres.SocketFactory");
    how.setProperty("cloudSqlInstance", arguments[0]);
    how.setProperty("enableIamAuth", "true");
    how.setProperty("sslmode", "disable");
    how.setProperty("cloudSqlRefreshStrategy", "lazy");
    how.setProperty("user", arguments[1]);
    how.setProperty("password", "not looked at");
    try (Connection connection = DriverManager.getConnection("jdbc:postgresql:///" + arguments[2], how);
        ResultSet found = connection.createStatement().executeQuery("SELECT session_user")) {
      found.next();
      System.out.println(found.getString(1));
      System.exit(0);
    } catch (Exception error) {
      for (Throwable each = error; each != null; each = each.getCause()) {
        System.err.println(each.getMessage());
      }
      System.exit(1);
    }
  }
}
